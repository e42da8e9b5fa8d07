"""A server that is not the service: it takes note of all that it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Elsewhere(ThreadingHTTPServer):
    """What a redirect leads to, on this machine.

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
def elsewhere() -> Iterator[Elsewhere]:
    """Listen until the check is over."""
    with Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
