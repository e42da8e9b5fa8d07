"""A proxy that leads every host to one server of this machine, as HTTPS_PROXY can name it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

from tests.fakes.thread import Handler, HttpServer, run_thread


class _Tunnel(Handler):
    server: HttpServer

    def do_CONNECT(self) -> None:  # noqa: N802 -- http.server's name
        """RFC 9110, section 9.3.6; whatever host was asked for."""
        where = urlsplit(self.server.subject)
        with socket.create_connection(("127.0.0.1", where.port or 0)) as upstream:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            back = Thread(target=_pass_on, args=(upstream, self.connection))
            back.start()
            _pass_on(self.connection, upstream)
            back.join()
        self.close_connection = True


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # who went away needs no answer


@contextmanager
def start_tunnel(url: str) -> Iterator[str]:
    """Lead there; yields the proxy's URL."""
    with run_thread(HttpServer(_Tunnel, url)) as proxy:
        yield proxy
