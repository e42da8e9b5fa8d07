"""Tries the way to a service layer by layer: name, connection, proxy, TLS, and then its clock."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from kms_core._doctor.report import Section
from kms_core.backend.hookspecs import BackendSpec
from kms_core.backend.parameters import BackendConfig
from kms_core.backend.route import Route
from kms_core.errors import KmsError

_PORTS = {"http": 80, "https": 443}
_SKEW = 60
"""Seconds; no service tolerates less than minutes."""


def examine_network(section: Section, implementation: Any, config: BackendConfig) -> None:
    """Try the way, if the backend tells it.

    What fails here is a finding and not a failure: the SDK's own calls, which follow, decide.

    Args:
        section: gets what is found.
        implementation: the backend's class.
        config: its parameters.
    """
    find_route = getattr(implementation, "find_route", BackendSpec.find_route)
    if find_route is not BackendSpec.find_route:
        seconds = getattr(config, "connect_timeout", 5)
        with suppress(KmsError):  # opening, which follows, tells of it
            _Way(section, find_route(config), seconds).examine()


class _Way:
    """One connection, with no credential in it but the proxy's own.

    Args:
        section: gets what is found.
        route: the way.
        seconds: how long a step may take.
    """

    def __init__(self, section: Section, route: Route, seconds: float) -> None:
        self._section, self._route = section, route
        self._service, self._proxy = urlsplit(route.url), _split_proxy(route.proxy or "")
        self._host, self._port = _place(self._proxy if route.proxy else self._service)
        self._connection = HTTPConnection(self._host, self._port, timeout=seconds)

    def examine(self) -> None:
        """Try each layer, while those below it hold."""
        with closing(self._connection):
            for step in (self._resolve, self._connect, self._encrypt, self._compare_clocks):
                if not step():
                    return

    def _resolve(self) -> bool:
        cure = "correct what the host is made of, or check this machine's DNS"
        look_up = partial(_addresses, self._host, self._port)
        return self._holds("resolve", "DNS", self._host, cure, look_up)

    def _connect(self) -> bool:
        at = f"{self._host}:{self._port}"
        if self._proxy.scheme not in {"", "http"}:
            self._section.skip("connect", f"the proxy is spoken to by {self._proxy.scheme}")
            return False
        if not self._route.proxy:
            cure = "check endpoint, and whether a firewall or a missing proxy is in the way"
            return self._holds("connect", "TCP", at, cure, self._dial)
        cure = "correct the variable that names the proxy, or have NO_PROXY name the service's host"
        self._connection.set_tunnel(*_place(self._service), headers=_authorization(self._proxy))
        return self._holds("connect", "PROXY", f"the proxy {at}", cure, self._dial)

    def _dial(self) -> str:
        self._connection.connect()
        through = f"through the proxy {self._host}:{self._port}"
        return through if self._route.proxy else f"to port {self._port}"

    def _encrypt(self) -> bool:
        if self._service.scheme == "http":
            self._section.ok("tls", f"none, as {self._route.url} is plain http")
            return True
        cure = "have the SDK trust the authority, or check endpoint and what stands between"
        return self._holds("tls", "TLS", self._service.netloc, cure, self._shake_hands)

    def _shake_hands(self) -> str:
        trusted = _trusting(self._route.ca_file)
        name = self._service.hostname
        encrypted = trusted.wrap_socket(self._connection.sock, server_hostname=name)
        self._connection.sock = encrypted
        return f"{encrypted.version()}, trusted by {self._route.ca_file or 'this machine'}"

    def _compare_clocks(self) -> bool:
        """Compare with the Date of any answer, which RFC 9110 (section 6.6.1) demands."""
        try:
            self._connection.request("HEAD", "/")
            told = parsedate_to_datetime(self._connection.getresponse().headers["Date"])
        except (OSError, HTTPException, TypeError, ValueError):
            self._section.skip("clock", "the service tells no time")
            return False
        ahead = (datetime.now(UTC) - told).total_seconds()
        text = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
        if abs(ahead) < _SKEW:
            self._section.ok("clock", f"{text} the service's")
        else:
            self._section.find("clock", "CLOCK", f"{text} the service's", "set it, such as by NTP")
        return True

    def _holds(
        self, step: str, code: str, what: str, cure: str, attempt: Callable[[], str]
    ) -> bool:
        try:
            shown = attempt()
        except (OSError, HTTPException, ValueError) as error:  # a name's, a proxy's or TLS's
            known = getattr(error, "verify_message", "") or getattr(error, "strerror", "")
            why = known or str(error) or type(error).__name__
            self._section.find(step, code, f"{what}: {why}", cure)
            return False
        self._section.ok(step, shown)
        return True


def _trusting(authorities: str | None) -> ssl.SSLContext:
    if authorities is not None and Path(authorities).is_dir():
        return ssl.create_default_context(capath=authorities)
    return ssl.create_default_context(cafile=authorities)


def _split_proxy(url: str) -> SplitResult:
    """Without a scheme it is plain http, as for the SDKs."""
    return urlsplit(url if not url or "://" in url else f"http://{url}")


def _place(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or _PORTS.get(url.scheme, _PORTS["http"])


def _addresses(host: str, port: int) -> str:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return f"{host}: {', '.join(dict.fromkeys(str(address[0]) for *_, address in found))}"


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
