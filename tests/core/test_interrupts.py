"""A time limit or a signal at any instant: it passes as it is, and nobody else notices."""

from __future__ import annotations

import ctypes
import functools
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._events import Observer
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage

STRIKES = Path(__file__).with_name("strikes.py")


class JobTooSlowError(Exception):
    """As a job queue raises it: it derives from Exception."""


@pytest.fixture
def time_limit() -> Iterator[Callable[[type[Exception]], None]]:
    """Let a signal handler raise this error as soon as it can."""

    def strike(error: type[Exception], *_: object) -> None:
        raise error

    def set_limit(error: type[Exception]) -> None:
        signal.signal(signal.SIGALRM, functools.partial(strike, error))
        signal.raise_signal(signal.SIGALRM)

    before = signal.getsignal(signal.SIGALRM)
    yield set_limit
    signal.signal(signal.SIGALRM, before)


class Struck(MemoryStorage):
    """Its user's time is up in the middle of a hook."""

    strike: Callable[[], None]

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        self.strike()
        return super().load_record(dek_id)


class Translating(Struck):
    """Takes a time limit for a failure of its service, as a backend with a wide net does."""

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        try:
            return super().load_record(dek_id)
        except Exception as error:
            raise kms_core.UnavailableError("the service failed") from error


@pytest.mark.parametrize("limit", [JobTooSlowError, TimeoutError])
@pytest.mark.parametrize("storage", [Struck, Translating])
def test_a_time_limit_passes_as_it_is(
    kek: Any,
    open_with: Callable[..., Kms],
    time_limit: Callable[[type[Exception]], None],
    storage: type[Struck],
    limit: type[Exception],
) -> None:
    struck = storage(MemoryStorage.Config())
    struck.strike = lambda: time_limit(limit)
    with pytest.raises(limit):
        open_with(kek, struck).get_dek("a", create=True)


def test_a_time_limit_that_another_thread_sets(kek: Any, open_with: Callable[..., Kms]) -> None:
    set_error = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def strike() -> None:
        set_error(ctypes.c_ulong(threading.get_ident()), ctypes.py_object(JobTooSlowError))
        time.sleep(0)

    struck = Struck(MemoryStorage.Config())
    struck.strike = strike
    with pytest.raises(JobTooSlowError):
        open_with(kek, struck).get_dek("a", create=True)


def test_a_bare_error_of_an_sdk_that_was_translated(
    kek: Any, open_with: Callable[..., Kms]
) -> None:
    """As native code raises it, which has no `raise` statement."""

    def call_sdk() -> None:
        raise_bare = ctypes.pythonapi.PyErr_SetNone
        raise_bare.argtypes, raise_bare.restype = [ctypes.py_object], ctypes.py_object
        raise_bare(JobTooSlowError)

    struck = Translating(MemoryStorage.Config())
    struck.strike = call_sdk
    with pytest.raises(kms_core.UnavailableError):
        open_with(kek, struck).get_dek("a", create=True)


def test_a_time_limit_while_an_observer_runs(
    kek: Any, open_with: Callable[..., Kms], time_limit: Callable[[type[Exception]], None]
) -> None:
    observer = Observer("observer://slow", lambda _event: time_limit(JobTooSlowError))
    kms = open_with(kek, MemoryStorage(MemoryStorage.Config()), [observer])
    with pytest.raises(JobTooSlowError):
        kms.get_dek("a", create=True)


def test_what_the_caller_handles_is_no_interrupt(
    kms: Kms, time_limit: Callable[[type[Exception]], None]
) -> None:
    try:
        time_limit(JobTooSlowError)
    except JobTooSlowError:
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("a")


def test_the_mistakes_of_a_backend_are_still_its_own(
    kek: Any, open_with: Callable[..., Kms]
) -> None:
    def mistake() -> None:
        raise JobTooSlowError

    struck = Struck(MemoryStorage.Config())
    struck.strike = mistake
    with pytest.raises(kms_core.BackendContractError, match="JobTooSlowError"):
        open_with(kek, struck).get_dek("a")


def test_an_observer_that_asks_for_the_same_dek(kek: Any, open_with: Callable[..., Kms]) -> None:
    kms = open_with(kek, asking := Struck(MemoryStorage.Config()))
    depth = iter([True, False])

    def ask_again() -> None:
        if next(depth, False):
            kms.get_dek("a", create=True)

    asking.strike = ask_again
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(kms.get_dek, "a", create=True).result(60) == kms.get_dek("a")


@pytest.mark.parametrize("store", ["memory", "file"])
def test_time_limits_at_random_instants(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    strikes = 25_000 if request.config.getoption("--long") else 500
    seed = random.randrange(2**32)
    command = [sys.executable, str(STRIKES), store, str(tmp_path), str(strikes), str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
