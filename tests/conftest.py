"""What all tests share."""

import gc
import os
import signal
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code. Whoever
# changes something sees the same examples before and after; the long forms look for new ones.
settings.register_profile(
    "any machine",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", settings.get_profile("any machine"), derandomize=False, max_examples=10_000
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests in their long forms")
    parser.addoption("--write-pages", action="store_true", help="write docs/broken")
    parser.addoption("--faults", type=int, default=100, help="how many faults each cloud meets")
    parser.addoption("--seed", type=int, help="which faults these are; by default, new ones")
    parser.addoption("--built", type=Path, help="folder of the built distributions to test")


def pytest_configure(config: pytest.Config) -> None:
    """What a shell or a CI starts in the background ignores Ctrl-C, and so would its children."""
    settings.load_profile("long" if config.getoption("--long") else "any machine")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: no search for garbage need look at it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether tests should take their long form: more processes, more examples."""
    return bool(request.config.getoption("long"))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine at which nobody listens, and nobody else can."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS that knows this machine alone."""
    look_up: Callable[..., Any] = socket.getaddrinfo

    def refuse(host: str, *more: Any, **options: Any) -> Any:
        if host in {"127.0.0.1", "localhost"}:
            return look_up(host, *more, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own KMS_CONFIG or KMS_KEK_URI must not decide what the tests open."""
    for name in os.environ:
        if name.startswith("KMS_"):
            monkeypatch.delenv(name)
