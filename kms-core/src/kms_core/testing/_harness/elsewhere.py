"""A server that is not the service: it takes note of all that it is sent."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256


class Elsewhere(ThreadingHTTPServer):
    """What a redirect leads to, or who has taken the service's place, on this machine.

    Attributes:
        heard: each request with its headers and its body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.heard: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that hangs up."""


class _Listener(BaseHTTPRequestHandler):
    server: Elsewhere

    def parse_request(self) -> bool:
        """Take note, whatever the method, and answer nothing."""
        if super().parse_request():
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = f"{self.requestline}\n{self.headers}\n{body.decode('latin-1')}"
            self.server.heard.append(request)
        return False

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def elsewhere(*, over_tls: bool = False) -> Iterator[Elsewhere]:
    """Listen until the check is over; over TLS with a certificate that nobody trusts."""
    with Elsewhere() as server:
        if over_tls:
            server.socket = _untrusted().wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _untrusted() -> ssl.SSLContext:
    """Of somebody who says to be localhost."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder, "both.pem")
        path.write_bytes(secret + certificate.public_bytes(ser.Encoding.PEM))
        context.load_cert_chain(path)
    return context
