"""TLS for test servers: a throw-away authority, and what it issued for this machine."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """A certificate of 127.0.0.1 and localhost, and the authority that issued it, in PEM files."""

    authority: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@functools.cache
def make_certificates(folder: Path, *hosts: str) -> Certificates:
    """Make them in a new folder; one set for all who name it. Nothing outlives the folder.

    The certificate is of these hosts too, which a tunnel leads here.
    """
    folder.mkdir()
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost", *hosts)
    made = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(made.authority))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(made.certificate), append=True)
    issued.private_key_pem.write_to_path(str(made.key))
    return made
