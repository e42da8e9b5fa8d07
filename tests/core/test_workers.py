"""No call outlasts its deadline, whatever hangs, and none is lost or mixed up."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

import kms_core
from kms_core import Kms
from kms_core._deks.stored import StoredDeks
from kms_core._plugins.clients import KekClient, Keyset, StorageClient, bind
from kms_core._plugins.clients.call import Opening
from kms_core._plugins.clients.workers import Workers
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.secret_files import write_private

T = TypeVar("T")

LONG = 60.0
SHORT = 0.05


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_an_answer_and_an_error() -> None:
    workers = Workers(1, LONG)
    assert workers.run(lambda: "answer") == "answer"
    with pytest.raises(ZeroDivisionError):
        workers.run(lambda: 1 / 0)


def test_a_call_that_hangs_ends_for_its_caller(gate: threading.Event) -> None:
    workers = Workers(2, SHORT)
    with pytest.raises(kms_core.UnavailableError, match=r"0\.05 seconds"):
        workers.run(gate.wait)
    workers.deadline = LONG
    assert workers.run(lambda: "answer") == "answer"
    gate.set()


def test_calls_that_hang_take_no_more_threads_than_allowed(gate: threading.Event) -> None:
    workers, begun = Workers(2, SHORT), []

    def hang() -> None:
        begun.append(threading.get_ident())
        gate.wait()

    attempts = 0
    while len(begun) < 2 or attempts < 5:  # on a busy machine none may begin in time
        attempts += 1
        with pytest.raises(kms_core.UnavailableError):
            workers.run(hang)
    assert len(begun) == 2
    gate.set()
    workers.deadline = LONG
    assert workers.run(lambda: "answer") == "answer"
    assert len(begun) == 2, "a call whose caller has gone does not begin"


def test_callers_who_come_at_once_get_no_more_threads_than_allowed() -> None:
    workers, together = Workers(4, LONG), threading.Barrier(32)

    def call(_number: int) -> int:
        together.wait(LONG)
        return workers.run(threading.get_ident)

    with ThreadPoolExecutor(32) as pool:
        assert len(set(pool.map(call, range(32)))) <= 4


def test_a_thread_is_used_again() -> None:
    workers = Workers(50, LONG)
    threads = set()
    for _ in range(20):
        threads.add(workers.run(threading.get_ident))
        while not workers._idle:
            time.sleep(0.001)
    assert len(threads) == 1


def test_many_callers_get_their_own_answers() -> None:
    workers = Workers(8, LONG)
    with ThreadPoolExecutor(32) as pool:
        numbers = range(2000)
        assert list(pool.map(lambda number: workers.run(lambda: number), numbers)) == list(numbers)


def test_a_call_sees_its_callers_context() -> None:
    request: ContextVar[str] = ContextVar("request")
    request.set("mine")
    assert Workers(1, LONG).run(request.get) == "mine"


def test_a_signal_reaches_a_caller_who_waits(gate: threading.Event) -> None:
    class TimeIsUpError(Exception):
        pass

    def strike(*_: object) -> None:
        raise TimeIsUpError

    def wait() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        Workers(1, LONG).run(gate.wait)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(TimeIsUpError):
            wait()
    finally:
        signal.signal(signal.SIGALRM, before)
        gate.set()


def test_a_fork_has_threads_of_its_own() -> None:
    workers = Workers(1, LONG)
    workers.run(os.getpid)
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os._exit(0 if workers.run(os.getpid) == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("how", ["dismissed", "forgotten"])
def test_threads_end_with_their_client(how: str) -> None:
    workers = Workers(1, LONG)
    workers.run(os.getpid)
    [thread] = workers._threads
    if how == "dismissed":
        workers.dismiss()
    del workers
    gc.collect()
    thread.join(LONG)
    assert not thread.is_alive()


def test_no_answer_is_kept() -> None:
    class Dek:
        pass

    workers = Workers(1, LONG)
    workers.run(Dek)
    workers.run(os.getpid)
    assert not [held for held in gc.get_objects() if isinstance(held, Dek)]


def test_calls_of_one_operation_are_made_in_one_thread() -> None:
    ours, others, strangers = Workers(2, LONG), Workers(2, LONG), Workers(2, LONG)

    def operation() -> list[int]:
        return [workers.run(threading.get_ident) for workers in (ours, others, strangers)]

    first, second, third = ours.run_together(operation, {ours, others})
    assert first == second
    assert third != first, "a backend may use another one, and that has its own threads"
    assert others._threads == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda kms: kms.create_dek("volume-42"),
        lambda kms: kms.get_dek("volume-42", create=True),
    ],
    ids=["create_dek", "get_dek"],
)
def test_all_calls_for_a_dek_are_made_in_one_thread(
    ask: Callable[[Kms], bytes], tmp_path: Path
) -> None:
    threads: list[int] = []
    key_file = write_private(tmp_path / "kek.toml", new_key_file())
    backends: dict[str, Any] = {
        "kms://local": LocalKek(LocalKek.Config(key_file=key_file)),
        "storage://memory": MemoryStorage(MemoryStorage.Config()),
    }
    kek, storage = (
        bind(name, opened, "a test", opening=Opening(None, Workers(4, LONG)))
        for name, opened in backends.items()
    )
    assert isinstance(kek, KekClient)
    assert isinstance(storage, StorageClient)
    for hooks in (vars(kek._hooks), vars(storage._hooks)):
        for name, hook in hooks.items():
            hooks[name] = partial(noting_its_thread, hook, threads)
    with Kms(StoredDeks(Keyset([kek]), storage), ExitStack()) as kms:
        ask(kms)
    assert len(threads) > 2, "a wrap, its proof, and a create"
    assert {*threads} == {threads[0]}
    assert threads[0] != threading.get_ident()


def noting_its_thread(hook: Callable[..., T], threads: list[int], **arguments: Any) -> T:
    threads.append(threading.get_ident())
    return hook(**arguments)


def test_each_call_of_an_operation_has_its_own_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller waits on after the first deadline, for the second call has another one."""
    first, second = Workers(1, LONG), Workers(1, LONG)
    waiting, begun, waiting_on = threading.Event(), threading.Event(), threading.Event()

    class Lock:
        """Comes to the first deadline as soon as the second call has begun, and to no other."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.release, self.locked = self.lock.release, self.lock.locked

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return self.lock.acquire()
            if waiting.is_set():
                waiting_on.set()
                return self.lock.acquire(timeout=LONG)
            waiting.set()
            return not begun.wait(LONG)

    def operation() -> str:
        first.run(partial(waiting.wait, LONG))
        return second.run(answer)

    def answer() -> str:
        begun.set()
        return "answer" if waiting_on.wait(LONG) else "nobody waits"

    own = SimpleNamespace(Lock=Lock, Thread=threading.Thread)
    monkeypatch.setattr("kms_core._plugins.clients.workers.threading", own)
    assert second.run_together(operation, {first, second}) == "answer"


def test_an_operation_that_hangs_says_where_and_makes_no_other_call(gate: threading.Event) -> None:
    workers, more = Workers(1, 24 * 3600.0), []  # a caller who waited for that would wait for ever

    def locate(error: kms_core.KmsError) -> kms_core.KmsError:
        error.locate(backend="kms://slow", operation="unwrap_dek", dek_id="a")
        return error

    def operation() -> None:
        workers.deadline = SHORT
        workers.run(gate.wait, locate)
        workers.run(lambda: more.append("a call whose caller has gone"))

    with pytest.raises(kms_core.UnavailableError, match=r"0\.05 seconds") as caught:
        workers.run_together(operation, {workers})
    assert caught.value.backend == "kms://slow"
    gate.set()
    workers.deadline = LONG
    assert workers.run(os.getpid) == os.getpid()
    assert more == []
