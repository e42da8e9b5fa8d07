"""A test tool: passes https on to a server, and spoils chosen calls as networks and services do."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tests.azure.recording import call_name
from tests.azure.servers import Certificates

_OWN = {"content-length", "connection", "transfer-encoding", "keep-alive"}


@dataclass
class Reply:
    """What a server answers."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Exchange(BaseHTTPRequestHandler):
    """One call: a fault may pass it on, answer it, let it hang or drop it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _HttpServer

    def forward(self) -> Reply:
        """Let the server do it, and return its answer without passing that on."""
        proxy = self.server.proxy
        trusted = ssl.create_default_context(cafile=proxy.certificates.authority)
        there = HTTPSConnection(urlsplit(proxy.upstream).netloc, timeout=60, context=trusted)
        there.request(self.command, self.path, self.body, dict(self.headers))
        response = there.getresponse()
        reply = Reply(response.status, dict(response.getheaders()), response.read())
        there.close()
        return reply

    def answer(self, reply: Reply, *, only: int | None = None) -> None:
        """Answer, with only so many bytes of the body before the connection ends."""
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        length = reply.headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[:only])
        self.close_connection = only is not None

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.server.proxy.over.wait()
        self.close_connection = True

    def drop(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True

    def handle_any(self) -> None:
        """Spoil the call if it was chosen, pass it on otherwise."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed_in = "Authorization" in self.headers
        name = call_name(self.command, self.path) if signed_in else "challenge"
        fault = self.server.proxy.take_fault(name)
        if self.server.proxy.over.is_set():
            self.drop()
        elif fault is not None:
            fault(self)
        else:
            self.answer(self.forward())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815 -- http.server's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


Fault: TypeAlias = Callable[[Exchange], None]


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: FaultProxy


@dataclass
class FaultProxy:
    """Where a test says which calls to spoil. ``seen`` holds each call that brought a token."""

    upstream: str
    certificates: Certificates
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)
    _plans: list[tuple[str, Fault, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, call: str, fault: Fault, *, times: int = 1000) -> None:
        """Do this to the next calls of this name."""
        self._plans.append((call, fault, times))

    def take_fault(self, call: str) -> Fault | None:
        """What to do to this call."""
        with self._lock:
            self.seen += [call] if call != "challenge" else []
            for number, (name, fault, times) in enumerate(self._plans):
                if name == call and times > 0:
                    self._plans[number] = (name, fault, times - 1)
                    return fault
        return None


@contextmanager
def start_proxy(upstream: str, certificates: Certificates) -> Iterator[FaultProxy]:
    """A proxy in front of the server."""
    http = _HttpServer(("127.0.0.1", 0), Exchange)
    tls = certificates.context()
    http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    proxy = http.proxy = FaultProxy(upstream, certificates, f"https://127.0.0.1:{http.server_port}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


def say(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.answer(Reply(status, named, body))


def vault_error(status: int, code: str, inner: str = "") -> Fault:
    """Key Vault answers with this error."""
    error: dict[str, Any] = {"code": code, "message": "from the test"}
    if inner:
        error["innererror"] = {"code": inner}
    return say(status, json.dumps({"error": error}).encode(), Content_Type="application/json")


def blob_error(status: int, code: str) -> Fault:
    """Blob Storage answers with this error."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>test</Message></Error>"
    headers = {"Content-Type": "application/xml", "x-ms-error-code": code}
    return lambda exchange: exchange.answer(Reply(status, headers, body.encode()))
