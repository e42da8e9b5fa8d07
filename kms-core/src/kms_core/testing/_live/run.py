"""Runs a live suite in a program, whatever its user set for pytest."""

from __future__ import annotations

import os
from abc import ABCMeta
from tempfile import TemporaryDirectory

import pytest

from kms_core.backend.hookspecs import DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.testing._live import suites
from kms_core.testing._live.live import Leftovers, Live, Outcome
from kms_core.testing._live.plugins import Denials, Given, Interrupts
from kms_core.testing.table import ClauseTable

_SUITES: dict[ABCMeta, type] = {
    KekSpec: suites.TestKek,
    DeriverSpec: suites.TestDeriver,
    StorageSpec: suites.TestStorage,
    ObserverSpec: suites.TestObserver,
}
_SILENT = ("-p", "no:terminal", "-p", "no:cacheprovider")


def run_live(live: Live, watcher: object) -> Outcome:
    """Run the suite of the backend's kind.

    Args:
        live: what is under test.
        watcher: a plugin of pytest, to follow the run.

    Raises:
        KeyboardInterrupt: it was interrupted; what it had created is removed.
    """
    suite, outcome = _SUITES[live.backend.spec], Outcome(ClauseTable(), Leftovers())
    plugins = [Given(live, outcome.left), Denials(), outcome.table, watcher, Interrupts()]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        # The user's own plugins, options and configuration of pytest are for his tests.
        environment.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            environment.delenv(name, raising=False)
        alone = ("--noconftest", f"--rootdir={folder}", f"--config-file={os.devnull}")
        what = f"{suites.__file__}::{suite.__name__}"
        code = pytest.main([*_SILENT, *alone, what], plugins=plugins)
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(f"pytest ended with {code!r}")
    return outcome
