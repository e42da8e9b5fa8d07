"""The plugins of pytest that a run of a live suite has."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator

import pytest

from kms_core._tracebacks import error_chain
from kms_core.errors import AccessDeniedError
from kms_core.testing._harness.clauses import ONLY_MAINTENANCE
from kms_core.testing._live.live import Leftovers, Live

_STOPPING = b"\nkms: stopping after the check under way; press Ctrl-C again to stop at once\n"


class Given:
    """Hands the suites what is under test, and what takes note of what is left."""

    def __init__(self, live: Live, left: Leftovers) -> None:
        self._live = live
        self._left = left

    @pytest.fixture
    def live(self) -> Live:
        """What is under test."""
        return self._live

    @pytest.fixture
    def left(self) -> Leftovers:
        """What is left."""
        return self._left


class Denials:
    """Skips what failed because the credentials need not be allowed to do it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Make a skip of the failure."""
        report = yield
        denied = _denial(call.excinfo.value) if call.excinfo else None
        if denied:
            report.outcome, report.longrepr = "skipped", ("", 0, f"not allowed: {denied}")
        return report


class Interrupts:
    """Ctrl-C stops the run after the check under way, a second one at once.

    KeyboardInterrupt amid a check that has threads may leave a lock held, for which one of them
    waits forever, or lose sight of one that still creates a record.
    """

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take Ctrl-C over."""
        self._session = session
        self._terminal = os.dup(sys.stderr.fileno())  # amid a check pytest captures what is written
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
            signal.signal(signal.SIGINT, self._stop)

    def pytest_sessionfinish(self) -> None:
        """Give it back."""
        if signal.getsignal(signal.SIGINT) == self._stop:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._terminal)

    def _stop(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(self._terminal, _STOPPING)
        self._session.shouldstop = "Ctrl-C"


def _denial(error: BaseException) -> str | None:
    for link in error_chain(error):
        if isinstance(link, AccessDeniedError) and (
            link.maybe_missing or link.operation in ONLY_MAINTENANCE
        ):
            return str(link)
    return None
