"""A wire between a client and its service that fails as networks, proxies and services do."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import ceil
from select import select
from typing import TypeAlias
from urllib.parse import urlsplit

Fault: TypeAlias = str
"""What a wire does, as a message goes on after "a wire that": see :meth:`FaultyWire.spoil`."""

ANY_JSON: Fault = "answers an empty JSON object"
FAULTS = (
    *("hangs", "is dropped before the request", "loses the answer", "cuts the answer"),
    *("answers late", "drips the answer", "asks to wait", ANY_JSON),
)

_PAGE_OF = "answers HTTP "
_REDIRECTS = "redirects to "
_SIZE = 1 << 16
_TICK = 0.05
_INTERIM = b"HTTP/1.1 100"
_END_OF_HEAD = b"\r\n\r\n"
MARK = "this is a proxy, which knows nothing of your service"
"""What the page of a proxy says."""

_PAGE = f"<html>\n<body>\x1b[31m{MARK}</body></html>".encode()


class FaultyWire:
    """Passes all bytes on to a service on this machine or elsewhere, until it is told to fail.

    A fault spoils what is asked over a connection from then on. Over TLS the first answer is that
    of the handshake, so a client that connects anew only sees its connection end.

    Attributes:
        patience: for how many seconds it hangs before it gives up.
        over: set when it is closed.
        asked: the beginning of each request: its line and its headers, if it is HTTP in the clear.
        outwaited: whether a client waited for all of the patience, so it has no time limit.
        spoilt: how often it was told to fail, or to work.
    """

    def __init__(self, patience: float = 30) -> None:
        self.outwaited = False
        self.asked: list[bytes] = []
        self.spoilt = 0
        self.patience = patience
        self._upstream: tuple[str, int] | None = None
        self._fault: Fault | None = None
        self._times, self._sound = 0.0, 0
        self._lock, self.over = threading.Lock(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(_TICK)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        port: int = self._listener.getsockname()[1]
        return port

    def to(self, endpoint: str) -> str:
        """Lead to the service at this URL, and return the URL that a client is to be given."""
        parts = urlsplit(endpoint)
        default = 443 if parts.scheme == "https" else 80
        self._upstream = parts.hostname or "", parts.port or default
        return at_port(endpoint, self.port)

    def spoil(self, fault: Fault | None, times: float = float("inf"), after: int = 0) -> None:
        """Fail in this way; without a fault the wire works again.

        Args:
            fault: ``hangs``: no answer comes. ``is dropped before the request``: the service never
                gets it. ``loses the answer``: the service has done it. ``cuts the answer``: half
                of it comes. ``answers late``: the answer comes when the next request does.
                ``drips the answer``: some bytes a second. ``asks to wait``: for longer than the
                patience lasts, with status 503. ``answers HTTP 404``, or any other status: a page
                as a gateway or a proxy has it. ``answers an empty JSON object``, with status 200.
                ``redirects to`` and a URL.
            times: how many requests it spoils.
            after: how many sound requests it lets pass before.
        """
        if fault not in {None, *FAULTS} and not str(fault).startswith((_PAGE_OF, _REDIRECTS)):
            raise ValueError(f"{fault!r} is no fault of a wire; take one of {', '.join(FAULTS)}")
        with self._lock:
            self._fault, self._times, self._sound = fault, times, after
            self.spoilt += 1

    def close(self) -> None:
        """End all connections."""
        self.over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def fault(self) -> Fault | None:
        """How it will fail next."""
        return self._fault if self._times > 0 and self._sound == 0 else None

    def take(self, request: bytes) -> Fault | None:
        """How to fail at this request."""
        with self._lock:
            self.asked.append(request.partition(_END_OF_HEAD)[0])
            fault = self.fault
            if self._sound:
                self._sound -= 1
            else:
                self._times -= 1
            return fault

    def _accept(self) -> None:
        while not self.over.is_set():
            with suppress(TimeoutError):
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with ExitStack() as opened, suppress(OSError):
            opened.enter_context(client)
            if self._upstream is None:
                raise OSError
            server = opened.enter_context(socket.create_connection(self._upstream))
            connection = _Connection(self, client, server)
            while not self.over.is_set() and connection.goes_on():
                """Each turn is what one of the two has sent."""


@dataclass
class _Connection:
    """Passes on what the two send to each other."""

    wire: FaultyWire
    client: socket.socket
    server: socket.socket
    fault: Fault | None = None
    is_answered: bool = True
    spoilt: int = 0
    late: bytes = b""

    def goes_on(self) -> bool:
        """Pass on what there is; whether there may be more."""
        ready, _, _ = select([self.client, self.server], [], [], _TICK)
        if self.client in ready and not self._ask():
            return False
        return self.server not in ready or self._answer()

    def _ask(self) -> bool:
        request = self.client.recv(_SIZE)
        if not request:
            return False
        # What came since then is a request, though HTTP/2 sends more than requests and answers.
        if self.is_answered or self.spoilt != self.wire.spoilt:
            self.fault, self.is_answered, self.spoilt = (
                self.wire.take(request),
                False,
                self.wire.spoilt,
            )
        if self.late:
            self.client.sendall(self.late)
            self.late = b""
        if self.fault == "hangs":
            while self._hold() and self.client.recv(_SIZE):
                """It was the rest of the request."""
            return False
        page = _page_of(self.fault or "", self.wire.patience)
        if page:
            _refuse(self.client, *page)
            return False
        if self.fault != "is dropped before the request":
            self.server.sendall(request)
            return True
        return False

    def _answer(self) -> bool:
        answer = self.server.recv(_SIZE)
        if answer.startswith(_INTERIM):
            self.client.sendall(answer)
            return True
        self.is_answered = True
        if self.fault == "answers late":  # to be read as the answer to the next request
            self.late = answer + _rest(self.server)
            return self._hold()
        if self.fault == "drips the answer":
            return self._hold(answer + _rest(self.server))
        if self.fault == "cuts the answer":
            self.client.sendall(_half(answer + _rest(self.server)))
        elif self.fault != "loses the answer":
            self.client.sendall(answer)
        return bool(answer) and self.fault is None

    def _hold(self, drips: bytes = b"") -> bool:
        """Wait until the client gives up or asks for something else; whether it does."""
        ticks = ceil(self.wire.patience / _TICK)  # the clock goes on while the machine is away
        for _ in range(ticks):
            if self.wire.over.is_set():
                return False
            if select([self.client], [], [], _TICK)[0]:
                return True
            self.client.sendall(drips[:1])
            drips = drips[1:]
        self.wire.outwaited = True
        return False


def at_port(endpoint: str, port: int) -> str:
    """The URL with this port of this machine, under the name that its certificate has."""
    parts = urlsplit(endpoint)
    user, at, _ = parts.netloc.rpartition("@")
    host = "localhost" if parts.hostname == "localhost" else "127.0.0.1"
    return parts._replace(netloc=f"{user}{at}{host}:{port}").geturl()


def _page_of(fault: Fault, patience: float) -> tuple[str, str, bytes] | None:
    """The status, a header and the body of what is answered in place of the service."""
    if fault == ANY_JSON:
        return "200", "", b"{}"
    if fault.startswith(_PAGE_OF):
        return fault.removeprefix(_PAGE_OF), "", _PAGE
    if fault.startswith(_REDIRECTS):
        return "307", f"Location: {fault.removeprefix(_REDIRECTS)}\r\n", _PAGE
    wait = f"Retry-After: {ceil(patience) + 1}\r\n"
    return ("503", wait, _PAGE) if fault == "asks to wait" else None


def _half(answer: bytes) -> bytes:
    """Half of it; of HTTP half of the body, because not every library sees a head that is cut."""
    head, end, body = answer.partition(_END_OF_HEAD)
    if not answer.startswith(b"HTTP/"):
        return answer[: len(answer) // 2]
    return head + end + body[: len(body) // 2] if body else b""


def _rest(sender: socket.socket, seconds: float = _TICK) -> bytes:
    """What still comes, until nothing does for a while."""
    rest = b""
    while select([sender], [], [], seconds)[0]:
        more = sender.recv(_SIZE)
        if not more:
            break
        rest += more
    return rest


def _refuse(client: socket.socket, status: str, header: str, page: bytes) -> None:
    _rest(client)  # a connection that ends before all of the request is read may lose the answer
    kind = "text/html" if page == _PAGE else "application/json"
    head = f"HTTP/1.1 {status} Refused\r\n{header}Content-Type: {kind}\r\nConnection: close\r\n"
    client.sendall(f"{head}Content-Length: {len(page)}\r\n\r\n".encode() + page)
    client.shutdown(socket.SHUT_WR)
    _rest(client, 1)  # likewise: it ends first
