"""A proxy that passes calls on to a server, and spoils chosen ones as networks and services do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.fakes.certificates import Certificates
from tests.fakes.spoilable import Spoilable
from tests.fakes.thread import Handler, HttpServer, run_thread

_OF_CONNECTIONS = {"content-length", "connection", "transfer-encoding", "keep-alive"}


@dataclass
class Reply:
    """What a server answers."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


class Exchange(Handler):
    """One call: a fault may pass it on, answer it, let it hang or drop it."""

    disable_nagle_algorithm = True
    server: HttpServer

    @property
    def proxy(self) -> Proxy:
        """Whose call it is."""
        proxy: Proxy = self.server.subject
        return proxy

    def names(self) -> set[str]:
        """What tests call it; by default, its method."""
        return {self.command}

    def forward(self) -> Reply:
        """Let the server do it, and return its answer without passing that on."""
        return self.proxy.send(self.command, self.path, self.body, dict(self.headers))

    def answer(self, reply: Reply, *, only: int | None = None) -> None:
        """Answer, with only so many bytes of the body before the connection ends."""
        head = self.command == "HEAD"
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in _OF_CONNECTIONS or (head and name.lower() == "content-length"):
                self.send_header(name, value)
        if not head:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(b"" if head else reply.body[:only])
        self.wfile.flush()
        self.close_connection = only is not None

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.proxy.over.wait()
        self.close_connection = True

    def drop(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True

    def handle_any(self) -> None:
        """Spoil the call if it was chosen, pass it on otherwise."""
        self.body = self.read_body()
        fault = self.proxy.take_fault(self.names())
        if self.proxy.over.is_set():
            self.drop()
        else:
            (fault or pass_on)(self)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any  # noqa: N815 -- http.server's names


Fault: TypeAlias = Callable[[Exchange], None]


@dataclass
class Proxy(Spoilable[Fault]):
    """What stands between a client and a server, and may spoil calls."""

    upstream: str
    certificates: Certificates | None = None
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Ask the server."""
        upstream = self._connect()
        upstream.request(method, path, body, headers or {})
        response = upstream.getresponse()
        reply = Reply(response.status, response.read(), response.getheaders())
        upstream.close()
        return reply

    def _connect(self) -> HTTPConnection:
        where = urlsplit(self.upstream).netloc
        if not self.certificates:
            return HTTPConnection(where, timeout=60)
        trusted = ssl.create_default_context(cafile=self.certificates.authority)
        return HTTPSConnection(where, timeout=60, context=trusted)


@contextmanager
def run_proxy(proxy: Proxy, exchange: type[Exchange]) -> Iterator[None]:
    """Serve the proxy: over TLS if it has certificates, as its server does then."""
    tls = proxy.certificates.context() if proxy.certificates else None
    with run_thread(HttpServer(exchange, proxy), tls) as proxy.url:
        try:
            yield
        finally:
            proxy.over.set()


def pass_on(exchange: Exchange) -> None:
    exchange.answer(exchange.forward())


def say(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer so; a header's name has underscores for its hyphens."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda exchange: exchange.answer(Reply(status, body, named))


def hang(exchange: Exchange) -> None:
    exchange.hang()


def drop(exchange: Exchange) -> None:
    exchange.drop()


def lose_answer(exchange: Exchange) -> None:
    exchange.forward()
    exchange.drop()


def cut_body(exchange: Exchange) -> None:
    reply = exchange.forward()
    exchange.answer(reply, only=len(reply.body) // 2)


def stall_body(exchange: Exchange) -> None:
    cut_body(exchange)
    exchange.hang()
