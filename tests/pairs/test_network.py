"""Doctor names the layer at which the way to a service is broken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from kms_core._doctor.network import examine_network
from kms_core._doctor.report import Report, Row, Section
from kms_core.backend import BackendConfig, Route, ServiceConfig
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.thread import Handler, HttpServer, run_thread
from tests.fakes.tunnel import start_tunnel

STEPS = ("resolve", "connect", "tls", "clock")


def examine(route: Route) -> list[Row]:
    class Backend:
        @staticmethod
        def find_route(_config: BackendConfig) -> Route:
            return route

    report = Report(lambda row: None)
    examine_network(Section(report, "kms://x", "KEK"), Backend, ServiceConfig(connect_timeout=60))
    return report.rows


def found(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.step, row.code.removeprefix("KEK-") or row.outcome) for row in rows]


class Clock(Handler):
    """Answers with a time of its own, if it is told one."""

    server: HttpServer

    def do_HEAD(self) -> None:  # noqa: N802 -- http.server's name
        self.send_response_only(404)
        if self.server.subject is not None:
            self.send_header("Date", format_datetime(datetime.now(UTC) + self.server.subject))
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.flush()

    def do_CONNECT(self) -> None:  # noqa: N802 -- likewise
        self.send_error(407)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path / "tls")


@pytest.fixture
def tls(certificates: Certificates) -> Iterator[str]:
    with run_thread(HttpServer(Clock, timedelta()), certificates.context()) as url:
        yield url


def test_all_layers_hold(tls: str, certificates: Certificates) -> None:
    rows = examine(Route(tls, ca_file=str(certificates.authority)))
    assert found(rows) == [(step, "ok") for step in STEPS]
    assert rows[0].text == "127.0.0.1: 127.0.0.1"
    assert rows[2].text == f"TLSv1.3, trusted by {certificates.authority}"
    assert rows[3].text.endswith("the service's")


def test_through_a_proxy(tls: str, certificates: Certificates) -> None:
    with start_tunnel(tls) as proxy:
        route = Route("https://127.0.0.1:9", proxy, str(certificates.authority))
        rows = examine(route)
    assert found(rows) == [(step, "ok") for step in STEPS]
    assert rows[1].text == f"through the proxy {proxy.removeprefix('http://')}"


@pytest.mark.usefixtures("nobody_knows")
def test_name() -> None:
    [row] = examine(Route("https://kms.invalid"))
    assert (row.step, row.outcome, row.code) == ("resolve", "finding", "KEK-DNS")
    assert "kms.invalid: " in row.text
    assert "DNS" in row.cure


def test_name_that_is_none() -> None:
    [row] = examine(Route(f"https://{'a' * 64}.example"))
    assert row.code == "KEK-DNS"
    assert "too long" in row.text


def test_nobody_listens(closed_port: int) -> None:
    rows = examine(Route(f"https://127.0.0.1:{closed_port}"))
    assert found(rows) == [("resolve", "ok"), ("connect", "TCP")]
    assert rows[1].text == f"127.0.0.1:{closed_port}: Connection refused"


def test_proxy_that_is_away(closed_port: int) -> None:
    rows = examine(Route("https://127.0.0.1:9", f"http://127.0.0.1:{closed_port}"))
    assert found(rows) == [("resolve", "ok"), ("connect", "PROXY")]


def test_proxy_without_a_scheme(closed_port: int) -> None:
    rows = examine(Route("https://127.0.0.1:9", f"localhost:{closed_port}"))
    assert found(rows) == [("resolve", "ok"), ("connect", "PROXY")]
    assert f"the proxy localhost:{closed_port}: " in rows[1].text


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_proxy_that_doctor_cannot_speak_to(closed_port: int, scheme: str) -> None:
    """The SDK's own calls, which follow, can."""
    rows = examine(Route("https://127.0.0.1:9", f"{scheme}://127.0.0.1:{closed_port}"))
    assert found(rows) == [("resolve", "ok"), ("connect", "skipped")]


def test_proxy_that_is_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=greet, args=[other], daemon=True).start()
        rows = examine(Route("https://127.0.0.1:9", f"http://127.0.0.1:{other.getsockname()[1]}"))
    assert found(rows) == [("resolve", "ok"), ("connect", "PROXY")]
    assert "220 mail" in rows[1].text


def greet(other: socket.socket) -> None:
    connection, _ = other.accept()
    with connection:
        connection.sendall(b"220 mail\r\n")
        connection.recv(1000)


def test_proxy_that_wants_another_password() -> None:
    with run_thread(HttpServer(Clock, None)) as url:
        proxy = url.replace("http://", "http://user:hunter2@")
        rows = examine(route := Route("https://127.0.0.1:9", proxy))
    assert found(rows) == [("resolve", "ok"), ("connect", "PROXY")]
    assert "407" in rows[1].text
    assert "hunter2" not in f"{rows} {route}"


def test_authority_that_is_not_trusted(tls: str) -> None:
    rows = examine(Route(tls))
    assert found(rows)[2:] == [("tls", "TLS")]
    assert "self-signed certificate" in rows[2].text or "issuer certificate" in rows[2].text


def test_file_of_authorities_that_is_not_there(tls: str, tmp_path: Path) -> None:
    rows = examine(Route(tls, ca_file=str(tmp_path / "none.pem")))
    assert rows[2].code == "KEK-TLS"
    assert "No such file" in rows[2].text


def test_folder_of_authorities(tls: str, tmp_path: Path) -> None:
    rows = examine(Route(tls, ca_file=str(tmp_path)))
    assert rows[2].code == "KEK-TLS"
    assert "certificate" in rows[2].text


@pytest.mark.parametrize(
    ("ahead", "code"), [(timedelta(minutes=20), "CLOCK"), (-timedelta(minutes=20), "CLOCK")]
)
def test_clock_that_is_off(ahead: timedelta, code: str) -> None:
    with run_thread(HttpServer(Clock, ahead)) as url:
        rows = examine(Route(url))
    assert found(rows) == [*((step, "ok") for step in STEPS[:3]), ("clock", code)]
    assert ("behind" if ahead > timedelta() else "ahead of") in rows[3].text
    assert "plain http" in rows[2].text


def test_service_that_tells_no_time() -> None:
    with run_thread(HttpServer(Clock, None)) as url:
        assert found(examine(Route(url)))[3:] == [("clock", "skipped")]


def test_backend_that_tells_no_way() -> None:
    report = Report(lambda row: None)
    examine_network(Section(report, "kms://x", "KEK"), object, BackendConfig())
    assert report.rows == []
