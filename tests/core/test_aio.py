"""The façade for tasks does what the other one does, in threads."""

from __future__ import annotations

import inspect
import io
import pickle
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

import kms_core
from kms_core import Outcome, aio
from kms_core._events import Observer
from kms_core.backend import Event, StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage
from tests.core.loops import Gate

T = TypeVar("T")
Run = Callable[[Callable[[], Any]], Any]
Open = Callable[..., kms_core.Kms]

user: ContextVar[str] = ContextVar("user", default="nobody")


class GatedStorage(MemoryStorage):
    """Loads the record of ``slow`` once its gate is open; remembers who loaded what."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.gate = Gate()
        self.loads: list[tuple[str, str]] = []

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        self.loads.append((dek_id, user.get()))
        if dek_id == "slow":
            self.gate()
        return super().load_record(dek_id)


async def collect(stream: AsyncIterator[T]) -> list[T]:
    return [item async for item in stream]


def shown(method: Callable[..., Any]) -> tuple[list[inspect.Parameter], str]:
    """Its parameters, and what it returns."""
    signature = inspect.signature(method)
    return list(signature.parameters.values()), signature.return_annotation


PAIRS = [(kms_core.Kms, aio.Kms), (kms_core.Kek, aio.Kek)]
METHODS = [
    pytest.param(getattr(ours, name), getattr(theirs, name, None), id=f"{ours.__name__}.{name}")
    for ours, theirs in PAIRS
    for name in dir(ours)
    if not name.startswith("_")
]


@pytest.mark.parametrize(("method", "awaited"), METHODS)
def test_each_method_has_its_like(method: Callable[..., Any], awaited: Any) -> None:
    assert awaited is not None, "kms_core.aio lacks it"
    parameters, returned = shown(method)
    assert shown(awaited) == (parameters, returned.replace("Iterator", "AsyncGenerator"))
    if returned.startswith("Iterator"):
        return
    assert inspect.iscoroutinefunction(awaited)
    assert hasattr(awaited, "__wrapped__"), "it lacks @without_locals"


@pytest.mark.parametrize("name", ["open_kms", "open_kek"])
def test_what_opens_takes_the_same_and_a_number_of_threads(name: str) -> None:
    parameters, _ = shown(getattr(kms_core, name))
    theirs, _ = shown(getattr(aio, name))
    assert [p for p in theirs if p.name != "max_threads"] == parameters


def test_every_method_does_what_it_does_in_threads(
    run: Run, key_file: Path, tmp_path: Path
) -> None:
    local, there = f"kms://local?keyFile={key_file}", f"storage://file?path={tmp_path}/there"
    (tmp_path / "there").mkdir()

    async def main() -> None:
        async with (
            aio.open_kms(local, "storage://memory") as kms,
            aio.open_kms(local, there, max_threads=1) as other,
            aio.open_kek(local) as kek,
        ):
            made = await kms.create_dek("a")
            assert await kms.get_dek("a") == made
            assert [o.value async for o in kms.get_deks(["a"])] == [made]
            async with kms.borrow_dek("a") as buffer:
                assert buffer == made
            assert not any(buffer)
            await kms.forget_dek("a")
            assert await kms.get_dek("b", size=64, create=True) == kms.sync.get_dek("b")
            assert sorted(await collect(kms.list_dek_ids())) == ["a", "b"]
            assert await kms.describe_dek("a") == kms.sync.describe_dek("a")
            assert await kms.describe_kek() == kms.sync.describe_kek()
            assert await kms.describe_storage() == kms.sync.describe_storage()
            assert await kms.count_old_records() == kms.sync.count_old_records()
            assert await kms.rewrap_dek("a") is False
            assert await kms.check_health() is None  # type: ignore[func-returns-value]
            file = io.BytesIO()
            for outcomes in (
                kms.describe_deks(dek_ids=["a", "b"]),
                kms.export_deks(file, to=kek),
                kms.migrate_deks(other),
            ):
                assert {o.outcome for o in await collect(outcomes)} == {"done"}
            file.seek(0)
            for outcomes in (
                kms.rewrap_deks(older_than=None),
                kms.copy_deks(other, "a"),
                other.import_deks(file, source=kek),
            ):
                assert {o.outcome for o in await collect(outcomes)} == {"unchanged"}
            assert await other.get_dek("a") == made
            with pytest.raises(kms_core.ConfigError, match="objects of other programs"):
                await collect(other.import_constellation(kms))
            assert await kms.delete_dek("a") is None  # type: ignore[func-returns-value]
            with pytest.raises(kms_core.DekNotFoundError):
                await kms.get_dek("a")
            blob = await kek.wrap(made, {"for": "a"})
            assert await kek.unwrap(blob, {"for": "a"}) == made
            assert await kek.rotation_command() is None
            assert (await kek.rotate()).kek_version == "2"

    run(main)


def test_the_loop_goes_on_while_a_hook_waits(run: Run, kek: Any, open_with: Open) -> None:
    """Only a task opens the gate, so a loop that waited for the hook would wait for ever."""
    storage = GatedStorage()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            kms = aio.Kms(open_with(kek, storage))
            tasks.start_soon(partial(kms.get_dek, "slow", create=True))
            await storage.gate.reached()
            storage.gate.open()
        await kms.close()

    run(main)
    assert [dek_id for dek_id, _ in storage.loads] == ["slow"]


def test_the_loop_goes_on_while_a_backend_is_opened(
    run: Run, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(MemoryStorage, "__init__", lambda *_: gate())

    async def main() -> None:
        async def open_it() -> None:
            async with aio.open_kms(f"kms://local?keyFile={key_file}", "storage://memory"):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_it)
            await gate.reached()
            gate.open()

    run(main)


def test_a_thousand_tasks_on_a_cold_id_are_one_call_and_hold_one_thread(
    run: Run, kek: Any, open_with: Open
) -> None:
    storage = GatedStorage()
    deks: list[bytes] = []

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage), max_threads=2)

        async def ask() -> None:
            deks.append(await kms.get_dek("slow", create=True))

        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(ask)
            await storage.gate.reached()
            await kms.get_dek("other", create=True)  # the second thread is free
            storage.gate.open()
        await kms.close()

    run(main)
    assert (len(deks), len({*deks})) == (1000, 1)
    assert [dek_id for dek_id, _ in storage.loads].count("slow") == 1
    assert kek.wraps == 2


def test_threads_and_tasks_share_one_call(run: Run, kek: Any, open_with: Open) -> None:
    storage = GatedStorage()
    deks: list[bytes] = []

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage))
        flights: Any = kms.sync._deks
        asked = threading.Event()

        class Flights(dict[Any, Any]):
            def setdefault(self, key: Any, default: Any = None) -> Any:
                flight = super().setdefault(key, default)
                if flight is not default:
                    asked.set()
                return flight

        flights._flights._flights = Flights()
        thread = threading.Thread(target=lambda: deks.append(kms.sync.get_dek("slow", create=True)))
        thread.start()
        await storage.gate.reached()

        async def ask() -> None:
            deks.append(await kms.get_dek("slow", create=True))

        async with anyio.create_task_group() as tasks:
            for _ in range(9):
                tasks.start_soon(ask)
            while not asked.is_set():
                await checkpoint()
            await anyio.wait_all_tasks_blocked()
            storage.gate.open()
        await kms.close()
        thread.join()

    run(main)
    assert (len(deks), len({*deks}), len(storage.loads)) == (10, 1, 1)


def test_hooks_and_observers_see_the_context_of_each_task(
    run: Run, kek: Any, open_with: Open
) -> None:
    storage = GatedStorage()
    told: list[tuple[str, bool | None]] = []
    threads = set()

    def observe(event: Event) -> None:
        if event.operation == "get_dek":
            threads.add(threading.current_thread())
            told.append((user.get(), event.made))

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage, [Observer("test", observe)]))

        async def ask(name: str) -> None:
            user.set(name)
            await kms.get_dek("slow", create=True)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "ann")
            await storage.gate.reached()
            tasks.start_soon(ask, "bob")
            await anyio.wait_all_tasks_blocked()
            storage.gate.open()
        await kms.close()

    run(main)
    assert storage.loads == [("slow", "ann")]
    assert told == [("ann", True), ("bob", False)]
    assert threading.current_thread() not in threads


def test_what_the_calls_of_many_deks_log_belongs_to_the_task(
    run: Run, kek: Any, open_with: Open
) -> None:
    storage = GatedStorage()

    async def main() -> list[Outcome]:
        kms = aio.Kms(open_with(kek, storage))
        user.set("ann")
        outcomes = await collect(kms.describe_deks(dek_ids=["a", "b"]))
        await kms.close()
        return outcomes

    assert {o.outcome for o in run(main)} == {"gone"}
    assert sorted(storage.loads) == [("a", "ann"), ("b", "ann")]


def test_each_task_gets_an_error_of_its_own(run: Run, kek: Any, open_with: Open) -> None:
    storage = GatedStorage()
    errors = []

    async def main() -> None:
        kms = aio.Kms(open_with(kek, storage))

        async def ask() -> None:
            with pytest.raises(kms_core.DekNotFoundError) as caught:
                await kms.get_dek("slow")
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
            await storage.gate.reached()
            storage.gate.open()
        await kms.close()

    run(main)
    assert len({id(error) for error in errors}) == 3
    assert len({str(error) for error in errors}) == 1


@pytest.mark.parametrize(
    ("dek_id", "size", "error"), [(["a"], None, "DekIdError"), ("a", True, "DekSizeError")]
)
def test_what_is_no_id_or_size_joins_no_call(
    run: Run, kms: kms_core.Kms, dek_id: Any, size: int | None, error: str
) -> None:
    async def main() -> None:
        with pytest.raises(getattr(kms_core, error)):
            await aio.Kms(kms).get_dek(dek_id, size=size)

    run(main)


def test_it_has_a_thread_at_least(run: Run, key_file: Path) -> None:
    async def main() -> None:
        with pytest.raises(kms_core.ConfigError, match="at least 1, and not 0"):
            async with aio.open_kek(f"kms://local?keyFile={key_file}", max_threads=0):
                pass

    run(main)


def test_it_is_not_pickled_and_shows_what_it_is(kms: kms_core.Kms) -> None:
    with pytest.raises(TypeError, match="a Kms cannot be pickled"):
        pickle.dumps(aio.Kms(kms))
    assert repr(aio.Kms(kms)) == "<kms_core.aio <Kms kms://local storage://memory>>"


def test_what_is_in_the_cache_needs_no_thread(
    run: Run, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Any:
        raise AssertionError

    async def main() -> None:
        uris = (f"kms://local?keyFile={key_file}", "storage://memory")
        async with aio.open_kms(*uris, cache={"ttl": 300}, timeout=100) as kms:
            made = await kms.get_dek("a", create=True)
            with monkeypatch.context() as patch:
                patch.setattr(kms._threads, "submit", refuse)
                assert await kms.get_dek("a") == made
            await kms.forget_dek("a")
            await kms.delete_dek("a")
            with pytest.raises(kms_core.DekNotFoundError):
                await kms.get_dek("a")

    run(main)
