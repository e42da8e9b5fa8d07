"""All hosts of the internet, behind one proxy. Each quotes in its answers what it was sent.

So whatever a client sends, such as a token, comes back in what a service says.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

import trustme

from tests.fakes.proxy import Reply
from tests.fakes.thread import Handler, HttpServer, run_thread

HOSTS = (
    *("*.amazonaws.com", "*.eu-central-1.amazonaws.com", "*.s3.eu-central-1.amazonaws.com"),
    *("login.microsoftonline.com", "*.vault.azure.net", "*.blob.core.windows.net"),
    *("*.googleapis.com", "*.google.com"),
)


class Request(Handler):
    """One request, to whichever host."""

    server: HttpServer
    host = ""

    @property
    def internet(self) -> Internet:
        """All hosts."""
        internet: Internet = self.server.subject
        return internet

    def do_CONNECT(self) -> None:  # noqa: N802 -- http.server's name
        """Be the host that is asked for."""
        self.host, self.body = self.path.partition(":")[0], b""
        if self.internet.fail is refuse_proxy:
            self.internet.failures += 1
            self.internet.fail(self)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = False
        self.request = self.internet.context.wrap_socket(self.request, server_side=True)
        self.setup()

    def finish(self) -> None:
        """End the connection, which is no longer the one that the server knows."""
        super().finish()
        self.connection.close()

    def answer(self) -> None:
        """As an issuer of credentials, or else in the way that all hosts fail."""
        self.body = self.read_body()
        self.host = self.host or self.headers.get("Host", "").partition(":")[0]
        place = f"{self.host}{urlsplit(self.path).path}"
        known = (self.internet.issuers | self.internet.sound).items()
        replies = (answer(self) for part, answer in known if part in place)
        reply = next((reply for reply in replies if reply is not None), None)
        if reply is not None:
            self.write(reply)
        else:
            self.internet.failures += 1
            self.internet.fail(self)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = answer  # noqa: N815 -- likewise

    def quoted(self) -> str:
        """What was sent, as a gateway quotes it that helps to find mistakes."""
        return f"You sent: {self.requestline}\n{self.headers}\n{self.body.decode('latin-1')}"

    def write(self, reply: Reply, missing: int = 0) -> None:
        """Answer; with some missing bytes at the end, the connection is cut."""
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) + missing))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()
        self.close_connection = bool(missing)


Fail: TypeAlias = Callable[[Request], None]
Answer: TypeAlias = Callable[[Request], Reply | None]


def refuse(status: int, code: str) -> Fail:
    """Refuse with this status and code, in the form of the host's service."""

    def fail(request: Request) -> None:
        if any(part in request.host for part in ("s3", ".blob.")):
            body = f"<Error><Code>{code}</Code><Message>{quote(request.quoted())}</Message></Error>"
            headers = [("Content-Type", "application/xml"), ("x-ms-error-code", code)]
        else:
            said: object = {"code": code, "message": request.quoted()}
            if any(
                part in request.host for part in ("login.", "oauth2.", "sts.", "metadata", "127")
            ):
                said = "invalid_grant"  # RFC 6749, section 5.2
            body = json.dumps(
                {"__type": code, "message": request.quoted(), "error": said}
                | {"error_description": request.quoted()}
            )
            headers = [("Content-Type", "application/json")]
        bearer = f'Bearer authorization="https://{request.quoted()[:20]!r}"'
        request.write(Reply(status, body.encode(), [*headers, ("WWW-Authenticate", bearer)]))

    return fail


def redirect(request: Request) -> None:
    """To another host, with what was sent in the URL."""
    there = f"https://elsewhere.googleapis.com/?{quote(request.quoted())}"
    request.write(Reply(307, request.quoted().encode(), [("Location", there)]))


def show_portal(request: Request) -> None:
    """A page, as a captive portal has it."""
    page = f"<html>{request.quoted()}</html>"
    request.write(Reply(200, page.encode(), [("Content-Type", "text/html")]))


def cut(request: Request) -> None:
    """A part of an answer."""
    request.write(Reply(200, request.quoted().encode()), missing=100)


def drop(request: Request) -> None:
    """No answer."""
    request.close_connection = True


def hang(request: Request) -> None:
    """No answer until the client gives up."""
    request.connection.settimeout(60)
    request.rfile.read(1)
    request.close_connection = True


def refuse_proxy(request: Request) -> None:
    """The proxy wants another password (RFC 9110, section 15.5.8)."""
    request.write(Reply(407, request.quoted().encode(), [("Proxy-Authenticate", "Basic")]))


@dataclass
class Internet:
    """All hosts.

    Attributes:
        context: for TLS, in the name of any of them.
        fail: how they fail.
        issuers: who gives credentials, by a part of host and path.
        sound: what services answer before they fail, likewise.
        failures: how many calls failed.
        url: the proxy's.
    """

    context: ssl.SSLContext
    fail: Fail = drop
    issuers: dict[str, Answer] = field(default_factory=dict)
    sound: dict[str, Answer] = field(default_factory=dict)
    failures: int = 0
    url: str = ""


@contextmanager
def start_internet(folder: Path) -> Iterator[Internet]:
    """Serve on the loopback interface; the authority is in ``ca.pem``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(context)
    internet = Internet(context)
    with run_thread(HttpServer(Request, internet)) as internet.url:
        yield internet
