"""A test tool: passes HTTP on to a server, and spoils chosen calls as networks and services do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import psutil

from tests.aws.cloud import Cloud
from tests.aws.servers import Server


@dataclass
class Reply:
    """What a server answers."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Exchange(BaseHTTPRequestHandler):
    """One call: a fault may pass it on, answer it, let it hang or drop it."""

    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def call_name(self) -> str:
        """``Encrypt`` for a call of KMS, the method for one of S3."""
        return self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]

    def forward(self) -> Reply:
        """Let the server do it, and return its answer without passing that on."""
        upstream = HTTPConnection(urlsplit(self.server.proxy.upstream).netloc, timeout=60)
        upstream.request(self.command, self.path, self.body, dict(self.headers))
        response = upstream.getresponse()
        reply = Reply(response.status, response.getheaders(), response.read())
        upstream.close()
        return reply

    def answer(self, reply: Reply, *, only: int | None = None) -> None:
        """Answer, with only so many bytes of the body before the connection ends."""
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
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
        fault = self.server.proxy.take_fault(self.call_name())
        if fault is not None:
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
    """Where a test says which calls to spoil."""

    cloud: Cloud
    upstream: str
    over: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)
    _plans: list[tuple[str, Fault, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, call: str, fault: Fault, *, times: int = 1000, after: int = 0) -> None:
        """Do this to the next calls of this name, after letting some of them pass."""
        self._plans += [(call, lambda x: x.answer(x.forward()), 1)] * after
        self._plans.append((call, fault, times))

    def take_fault(self, call: str) -> Fault | None:
        """What to do to this call."""
        with self._lock:
            self.seen.append(call)
            for number, (name, fault, times) in enumerate(self._plans):
                if name == call and times > 0:
                    self._plans[number] = (name, fault, times - 1)
                    return fault
        return None


@contextmanager
def start_proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    """A proxy in front of the cloud's server."""
    http = _HttpServer(("127.0.0.1", 0), Exchange)
    url = f"http://127.0.0.1:{http.server_port}"
    behind = Server(f"{cloud.server.name} behind a proxy", url, psutil.Process())
    proxy = http.proxy = FaultProxy(replace(cloud, server=behind), cloud.server.url)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


def kms_error(code: str, status: int = 400) -> Fault:
    """KMS answers with this error."""
    body = json.dumps({"__type": code, "message": "from the test"}).encode()
    return lambda x: x.answer(Reply(status, [("Content-Type", "application/x-amz-json-1.1")], body))


def s3_error(code: str, status: int) -> Fault:
    """S3 answers with this error."""
    body = f"<Error><Code>{code}</Code><Message>from the test</Message></Error>".encode()
    return lambda x: x.answer(Reply(status, [("Content-Type", "application/xml")], body))
