"""Keeps versions of blobs before Azurite, which has none, as the reference of List Blobs says.

https://learn.microsoft.com/azure/storage/blobs/versioning-overview
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.certificates import Certificates
from tests.fakes.live.azure import blob_form
from tests.fakes.proxy import Exchange, Proxy, Reply, run_proxy

_WRITTEN = {HTTPStatus.CREATED, HTTPStatus.ACCEPTED}
_BLOB = """<Blob><Name>{name}</Name><VersionId>{version}</VersionId><Properties>
<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>0x0</Etag>
<Content-Length>1</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"""


@dataclass(kw_only=True)
class BlobStore(Proxy):
    """A storage account some of whose containers keep versions."""

    keeping: set[str] = field(default_factory=set)
    old: list[tuple[str, str]] = field(default_factory=list)
    """The container and the name of each version that is not the current one."""


class _Call(Exchange):
    def ask(self) -> Reply:
        store, parts = self.proxy, urlsplit(self.path)
        assert isinstance(store, BlobStore)
        _, _, container, *rest = parts.path.split("/")
        name, query = unquote("/".join(rest)), parse_qs(parts.query)
        kept = container in store.keeping and self._is_there(store)
        reply = super().ask()
        if kept and name and reply.status in _WRITTEN:
            store.old.append((container, name))
        if "versions" in query.get("include", [""])[0].split(","):
            prefix = query.get("prefix", [""])[0]
            self._add(reply, [n for c, n in store.old if c == container and n.startswith(prefix)])
        return reply

    def _is_there(self, store: BlobStore) -> bool:
        names = ("Authorization", "x-ms-version", "x-ms-date")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        is_write = self.command in {"PUT", "DELETE"}
        return is_write and store.send("HEAD", self.path, b"", headers).status == HTTPStatus.OK

    def _add(self, reply: Reply, names: list[str]) -> None:
        """Put them before what is current, on the first page."""
        if reply.status == HTTPStatus.OK and "marker=" not in self.path:
            blobs = [_BLOB.format(name=escape(n), version=i) for i, n in enumerate(names)]
            listed = b"<Blobs>" + "".join(blobs).encode()
            reply.body = reply.body.replace(b"<Blobs/>", b"<Blobs></Blobs>")
            reply.body = reply.body.replace(b"<Blobs>", listed, 1)


@contextmanager
def start_store(azurite: str, certificates: Certificates) -> Iterator[BlobStore]:
    """A store before Azurite, whose answers take the form of Blob Storage's."""
    store = BlobStore(azurite, certificates, live=blob_form())
    with run_proxy(store, _Call):
        yield store
