"""Runs a live suite in a program, whatever its user set for pytest."""

from __future__ import annotations

import os
import signal
import sys
from abc import ABCMeta
from tempfile import TemporaryDirectory

import pytest

from kms_core.backend.hookspecs import DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.testing._live import suites
from kms_core.testing.table import ClauseTable

_SUITES: dict[ABCMeta, type] = {
    KekSpec: suites.TestKek,
    DeriverSpec: suites.TestDeriver,
    StorageSpec: suites.TestStorage,
    ObserverSpec: suites.TestObserver,
}
_SILENT = ("-p", "no:terminal", "-p", "no:cacheprovider")
_STOPPING = b"\nkms: stopping after the check under way; press Ctrl-C again to stop at once\n"


class _Interrupts:
    """A plugin of pytest: Ctrl-C stops the run after the check under way, a second one at once.

    KeyboardInterrupt amid a check that has threads may leave a lock held, for which one of them
    waits forever, or lose sight of one that still creates a record.
    """

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session
        self._terminal = os.dup(sys.stderr.fileno())  # amid a check pytest captures what is written
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
            signal.signal(signal.SIGINT, self._stop)

    def pytest_sessionfinish(self) -> None:
        if signal.getsignal(signal.SIGINT) == self._stop:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._terminal)

    def _stop(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(self._terminal, _STOPPING)
        self._session.shouldstop = "Ctrl-C"


def run_live(live: suites.Live, watcher: object) -> ClauseTable:
    """Run the suite of the backend's kind.

    Args:
        live: what is under test.
        watcher: a plugin of pytest, to follow the run.

    Raises:
        KeyboardInterrupt: it was interrupted; what it had created is removed.
    """
    table, suite = ClauseTable(), _SUITES[live.backend.spec]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        # The user's own plugins, options and configuration of pytest are for his tests.
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            environment.delenv(name, raising=False)
        alone = ("--noconftest", f"--rootdir={folder}", f"--config-file={os.devnull}")
        what = f"{suites.__file__}::{suite.__name__}"
        code = pytest.main([*_SILENT, *alone, what], plugins=[live, table, watcher, _Interrupts()])
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(f"pytest ended with {code!r}")
    return table
