"""Calls that are cancelled, interrupted or fail, and a façade for tasks that is closed."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import kms_core
from kms_core import Bulk, aio
from kms_core._events import Observer
from kms_core.aio._flights import Flights
from kms_core.aio._threads import Threads
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage
from tests.core.loops import Gate
from tests.core.test_secrecy import SECRET, everything_shown

Run = Callable[[Callable[[], Any]], Any]
Open = Callable[..., kms_core.Kms]


class GatedStorage(MemoryStorage):
    """Loads nothing before its gate is open."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.gate = Gate()
        self.loads: list[str] = []
        self.closed = 0

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        self.loads.append(dek_id)
        self.gate()
        return super().load_record(dek_id)

    @hookimpl
    def close(self) -> None:
        assert self.gate.inside == 0
        self.closed += 1


@pytest.fixture
def gated() -> GatedStorage:
    return GatedStorage()


def test_who_is_cancelled_waits_no_longer_and_the_others_get_the_dek(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage
) -> None:
    deks = []

    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated))

        async def ask() -> None:
            deks.append(await kms.get_dek("a", create=True))

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as first:
                async with anyio.create_task_group() as leaders:
                    leaders.start_soon(ask)
                    await gated.gate.reached()
                    tasks.start_soon(ask)
                    tasks.start_soon(ask)
                    await anyio.wait_all_tasks_blocked()
                    first.cancel()
            gated.gate.open()
        await kms.close()

    run(main)
    assert (len(deks), len({*deks}), gated.loads) == (2, 1, ["a"])


def test_what_nobody_waits_for_is_dropped_unless_it_has_begun(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage
) -> None:
    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated), max_threads=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(kms.get_dek, "a", create=True))
            await gated.gate.reached()
            for call in (kms.get_dek, kms.get_dek, kms.describe_dek, kms.create_dek):
                tasks.start_soon(call, "b")
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        gated.gate.open()
        assert len(await kms.get_dek("a")) == 32
        assert [i async for i in kms.list_dek_ids()] == ["a"]
        await kms.close()

    run(main)
    assert gated.loads == ["a", "a"]


def test_the_end_of_a_call_is_one_step_of_the_loop_however_many_wait(
    kek: Any, open_with: Open, gated: GatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, tasks = [], 50

    async def main() -> None:
        kms, loop = aio.Kms(open_with(kek, gated)), asyncio.get_running_loop()
        soon = loop.call_soon_threadsafe

        def count(call: Callable[..., Any], *args: Any) -> Any:
            told.append(call)
            return soon(call, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        async with asyncio.TaskGroup() as group:
            deks = [group.create_task(kms.get_dek("a", create=True)) for _ in range(tasks)]
            await gated.gate.reached()
            gated.gate.open()
        assert len({dek.result() for dek in deks}) == 1
        await kms.close()

    asyncio.run(main())
    assert len(told) < tasks / 5


def test_tasks_whose_time_is_over_together_begin_no_call_one_after_the_other(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would wake all the others: a thousand tasks are half a million steps of the loop."""
    submitted, tasks = [], 50

    async def main() -> None:
        sync = open_with(kek, gated)
        end = time.monotonic() + 0.2
        monkeypatch.setattr(sync._limit, "end", lambda *_: end)
        kms = aio.Kms(sync)
        submit = kms._threads.submit

        def count(call: Callable[[], Any]) -> Future[Any]:
            submitted.append(call)
            return submit(call)

        monkeypatch.setattr(kms._threads, "submit", count)

        async def ask() -> None:
            with pytest.raises(kms_core.UnavailableError, match="not done within the timeout"):
                await kms.get_dek("a", timeout=0.2)

        async with anyio.create_task_group() as group:
            for _ in range(tasks):
                group.start_soon(ask)
        gated.gate.open()
        while gated.gate.inside:
            await checkpoint()
        await kms.close()

    run(main)
    assert len(submitted) < tasks / 5


def test_a_storm_of_cancelled_tasks_leaves_no_thread_and_no_error(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()

    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated), max_threads=3)
        for _ in range(10):
            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(kms.get_dek, f"none-{number % 25}")
                    tasks.start_soon(kms.delete_dek, "none")
                await gated.gate.reached(3)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
            assert threading.active_count() <= before + 3
        gated.gate.open()
        with pytest.raises(kms_core.DekNotFoundError):
            await kms.get_dek("none")
        await kms.close()
        await kms.close()

    run(main)
    gc.collect()
    assert gated.gate.most == 3
    assert gated.closed == 1
    assert caplog.records == []  # asyncio logs an exception that nobody has retrieved


class StrikeError(BaseException):
    """What comes out of a signal handler."""


def out_of_time() -> kms_core.UnavailableError:
    error = kms_core.UnavailableError("no answer within the timeout")
    error.own_timeout = True
    return error


@pytest.mark.parametrize("end", [StrikeError, out_of_time])
def test_what_ends_one_caller_is_no_answer_for_others(
    run: Run, end: Callable[[], BaseException]
) -> None:
    gate = Gate()
    calls = []

    def call() -> bytes:
        calls.append(1)
        gate()
        if len(calls) == 1:
            raise end()
        return b"dek"

    async def main() -> None:
        threads = Threads(2)
        flights: Flights[bytes] = Flights(threads)
        answers: list[Future[bytes]] = []

        async def ask() -> None:
            answers.append((await flights.run("a", call))[0])

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
            await gate.reached()
            await anyio.wait_all_tasks_blocked()
            gate.open()
        threads.close(lambda: None)
        results = [a.exception() or a.result() for a in answers]
        assert sorted(map(repr, results)) == sorted([repr(end()), "b'dek'", "b'dek'"])

    run(main)
    assert len(calls) > 1


def test_a_call_that_ends_at_once_does_not_stay(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would answer whoever asks later, when the DEK may have been deleted."""
    threads = Threads(1)
    submit = threads.submit

    def late(call: Callable[[], Any]) -> Future[Any]:
        future = submit(call)
        time.sleep(0.05)  # the thread has ended the call by now, if nothing holds it
        return future

    async def main() -> None:
        flights: Flights[int] = Flights(threads)
        monkeypatch.setattr(threads, "submit", late)
        answers = [(await flights.run("a", partial(next, count)))[0].result() for _ in range(2)]
        assert answers == [1, 2]

    count = iter([1, 2])
    run(main)
    threads.close(lambda: None)


def test_close_waits_for_calls_and_refuses_later_ones(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage
) -> None:
    deks = []

    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated))

        async def ask() -> None:
            deks.append(await kms.get_dek("a", create=True))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await gated.gate.reached()
            tasks.start_soon(kms.close)
            tasks.start_soon(kms.close)
            await anyio.wait_all_tasks_blocked()
            for call in (kms.get_dek, kms.create_dek):
                with pytest.raises(kms_core.ClosedError, match="closed; open it again"):
                    await call("b")
            with pytest.raises(kms_core.ClosedError):
                await anext(kms.list_dek_ids())
            gated.gate.open()
        assert (len(deks), gated.closed) == (1, 1)

    run(main)


def test_what_is_opened_for_a_cancelled_task_is_closed(
    run: Run, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, closed = Gate(), threading.Event()
    monkeypatch.setattr(MemoryStorage, "__init__", lambda *_: gate())
    monkeypatch.setattr(kms_core.Kms, "close", lambda _: closed.set())

    async def main() -> None:
        async def open_it() -> None:
            async with aio.open_kms(f"kms://local?keyFile={key_file}", "storage://memory"):
                raise AssertionError

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_it)
            await gate.reached()
            tasks.cancel_scope.cancel()
        gate.open()
        while not closed.is_set():
            await checkpoint()

    run(main)


class Listing(MemoryStorage):
    """Lists some ids, and then fails."""

    def __init__(self, ids: str) -> None:
        super().__init__(MemoryStorage.Config())
        self.ids = ids
        self.ended: list[threading.Thread] = []

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        token = SECRET + prefix
        try:
            yield from self.ids
            raise kms_core.ThrottledError("no") from ValueError(len(token))
        finally:
            self.ended.append(threading.current_thread())


def test_what_was_listed_before_an_error_comes_before_it(
    run: Run, kek: Any, open_with: Open
) -> None:
    async def main() -> None:
        kms = aio.Kms(open_with(kek, Listing("ab")))
        ids = kms.list_dek_ids()
        assert [await anext(ids), await anext(ids)] == ["a", "b"]
        with pytest.raises(kms_core.ThrottledError) as caught:
            await anext(ids)
        assert SECRET not in everything_shown(caught.value)
        await kms.close()

    run(main)


@pytest.mark.parametrize("how", ["aclose", "close"])
def test_an_iterator_that_is_given_up_ends_in_a_thread(
    run: Run, kek: Any, open_with: Open, how: str
) -> None:
    """It waits for the calls that it has under way, which the loop must not do."""
    storage = Listing("abcdefgh")

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage))
        one = Bulk(1)
        async with aclosing(kms.describe_deks(bulk=one)) as outcomes:
            await anext(outcomes)
            if how == "close":
                await kms.close()
                assert storage.ended
        assert storage.ended
        await kms.close()

    run(main)
    assert threading.current_thread() not in storage.ended


def test_an_iterator_that_is_forgotten_ends_in_a_thread(kek: Any, open_with: Open) -> None:
    storage = Listing("abcdefgh")

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage))
        async for _ in kms.describe_deks(bulk=Bulk(1)):
            break
        while not storage.ended:
            await checkpoint()
        await kms.close()

    asyncio.run(main())
    assert threading.current_thread() not in storage.ended


def test_a_task_that_is_cancelled_in_a_step_leaves_its_iterator_to_the_threads(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage
) -> None:
    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated))
        with anyio.CancelScope() as scope:
            outcomes = kms.describe_deks(dek_ids=["a", "b", "c"], bulk=Bulk(1))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anext, outcomes)
                await gated.gate.reached()
                scope.cancel()
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)
        gated.gate.open()
        await kms.close()

    run(main)
    assert gated.closed == 1
    assert "c" not in gated.loads


def test_no_error_carries_a_key(
    run: Run, kek: Any, kms: kms_core.Kms, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_wrapped: object) -> Any:
        raise kms_core.ThrottledError("no")

    kek.alter_wrapped = fail
    monkeypatch.setattr("secrets.token_bytes", lambda size: SECRET.encode()[:size])

    async def main() -> None:
        tasks = aio.Kms(kms)
        with pytest.raises(kms_core.ThrottledError) as caught:
            await tasks.get_dek("a", size=14, create=True)
        assert "in wrap_dek" in everything_shown(caught.value), "the lines are still there"
        assert SECRET not in everything_shown(caught.value)
        async with aio.open_kek(f"kms://local?keyFile={key_file}") as alone:
            with pytest.raises(kms_core.ContextError) as wrong:
                await alone.wrap(SECRET.encode(), {"": "b"})
        assert SECRET not in everything_shown(wrong.value)
        uri = f"kms://cluster-kms?key={SECRET}&salt={SECRET}!"
        with pytest.raises(kms_core.ConfigError) as unopened:
            await aio.open_kms(uri).__aenter__()
        held = [f.f_locals for f, _ in list(traceback.walk_tb(unopened.tb))[1:]]
        assert SECRET not in repr(held)

    run(main)


def test_neither_an_error_nor_a_cancelled_task_searches_the_heap(
    run: Run, kek: Any, open_with: Open, gated: GatedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes longer than a loop may be held up, and a thread that does it holds the GIL."""
    searched: list[object] = []
    monkeypatch.setattr(gc, "get_referrers", searched.append)

    async def main() -> None:
        kms = aio.Kms(open_with(kek, gated, [Observer("test", lambda _: None)]))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kms.get_dek, "a")
            await gated.gate.reached()
            tasks.cancel_scope.cancel()
        gated.gate.open()
        with pytest.raises(kms_core.DekNotFoundError):
            await kms.get_dek("a")
        await kms.close()

    run(main)
    assert searched == []
