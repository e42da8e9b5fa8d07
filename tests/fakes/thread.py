"""Servers of our own, each in a thread, on a free port of the loopback interface."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl


class Handler(BaseHTTPRequestHandler):
    """Calls over connections that stay open. Each answer is one packet."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: who waits for that waits for a second."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def read_body(self) -> bytes:
        """What the caller sent, whole: half of what one that died would have sent is no request."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the caller is gone")
        return body

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class HttpServer(ThreadingHTTPServer):
    """What the handlers serve is its ``subject``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[Handler], subject: Any) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.subject = subject

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def run_thread(server: HttpServer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve until the test is over, over TLS if there is a context for it; yield the URL."""
    if tls:
        # The handshake is left to the call's own thread, so that nobody holds up the others.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
