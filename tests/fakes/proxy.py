"""A proxy that passes calls on to a server, and spoils chosen ones as networks and services do."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
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
    chunked: bool = False


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
        """Let the server do it, and return its answer as the live service gives it."""
        return self.proxy.live(self, self.ask())

    def ask(self) -> Reply:
        """Let the server do it, and return its own answer."""
        return self.proxy.send(self.command, self.path, self.body, dict(self.headers))

    def answer(self, reply: Reply, *, only: int | None = None, times: int = 1) -> None:
        """Answer so often, with only so many bytes of the body before the connection ends."""
        for _ in range(times):
            self._write(reply, only)
        self.wfile.flush()
        self.close_connection = only is not None

    def _write(self, reply: Reply, only: int | None) -> None:
        head = self.command == "HEAD"
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in _OF_CONNECTIONS or (head and name.lower() == "content-length"):
                self.send_header(name, value)
        bare = head or reply.status == HTTPStatus.NO_CONTENT
        chunked = reply.chunked and not bare
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not bare:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        body = b"" if bare else reply.body
        self.wfile.write((_in_chunks(body) if chunked else body)[:only])

    def tell_time(self) -> None:
        """As every origin server does with every answer: RFC 9110, section 6.6.1."""
        self.send_response(HTTPStatus.NOT_FOUND)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

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
        if (self.command, self.path) == ("HEAD", "/"):
            self.tell_time()
            return
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

    upstream: str = ""
    certificates: Certificates | None = None
    live: Callable[[Exchange, Reply], Reply] = lambda _, reply: reply
    """Gives a server's answer the form of the live service's."""
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    unlisted: list[str] = field(default_factory=list)
    """Answers of the server that the live service is not known to give. There must be none."""

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


def _in_chunks(body: bytes) -> bytes:
    """RFC 9112, section 7.1; in two, so that nobody takes the first for all."""
    parts = filter(None, (body[: len(body) // 2], body[len(body) // 2 :]))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@contextmanager
def run_proxy(proxy: Proxy, exchange: type[Exchange]) -> Iterator[None]:
    """Serve the proxy: over TLS if it has certificates, as its server does then."""
    tls = proxy.certificates.context() if proxy.certificates else None
    with run_thread(HttpServer(exchange, proxy), tls) as proxy.url:
        try:
            yield
        finally:
            proxy.over.set()
    assert not proxy.unlisted, proxy.unlisted


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
