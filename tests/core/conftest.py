"""Backends that fail on cue, over the real memory storage and the real local KEK."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from kms_core import Kms
from kms_core._deks.stored import StoredDeks
from kms_core._events import Observer
from kms_core._plugins.clients import KekClient, Keyset, StorageClient, bind
from kms_core.backend import Context, KekSpec, StorageSpec, StoredRecord, WrappedDek, hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage

T = TypeVar("T")
Fault = Callable[[], None]


class FaultyStorage(MemoryStorage):
    """Runs a fault before or after a hook, once for each that was put in its list."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.before_create: list[Fault] = []
        self.after_create: list[Fault] = []
        self.before_load: list[Fault] = []
        self.loads = 0
        self.creates = 0

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        self.loads += 1
        if self.before_load:
            self.before_load.pop(0)()
        return super().load_record(dek_id)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        self.creates += 1
        if self.before_create:
            self.before_create.pop(0)()
        revision = super().create_record(dek_id, data)
        if self.after_create:
            self.after_create.pop(0)()
        return revision


class FaultyKek(LocalKek):
    """Counts what it wraps, and lets a test alter what it returns."""

    def __init__(self, config: LocalKek.Config) -> None:
        super().__init__(config)
        self.wraps = 0
        self.alter_wrapped: Callable[[WrappedDek], WrappedDek] = lambda wrapped: wrapped
        self.alter_dek: Callable[[bytes], bytes] = lambda dek: dek
        self.gate: threading.Event | None = None

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        self.wraps += 1
        if self.gate is not None:
            self.gate.wait(120)
        return self.alter_wrapped(super().wrap_dek(dek, context))

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return self.alter_dek(super().unwrap_dek(wrapped, context))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "kek.toml"
    path.touch(mode=0o600)
    path.write_text(new_key_file())
    return path


@pytest.fixture
def storage() -> FaultyStorage:
    return FaultyStorage()


@pytest.fixture
def kek(key_file: Path) -> FaultyKek:
    return FaultyKek(LocalKek.Config(key_file=key_file))


@pytest.fixture
def open_with() -> Callable[[KekSpec, StorageSpec], Kms]:
    """Opens a façade over backends that no distribution registers."""

    def open_with(
        kek: KekSpec, storage: StorageSpec, observers: list[Observer] | None = None
    ) -> Kms:
        bound_kek = bind("kms://local", kek, "kms-core test", observers or [])
        bound_storage = bind("storage://memory", storage, "kms-core test", observers or [])
        assert isinstance(bound_kek, KekClient)
        assert isinstance(bound_storage, StorageClient)
        resources = ExitStack()
        resources.callback(bound_kek.close)
        resources.callback(bound_storage.close)
        return Kms(StoredDeks(Keyset([bound_kek]), bound_storage), resources, observers or [])

    return open_with


@pytest.fixture
def kms(kek: FaultyKek, storage: FaultyStorage, open_with: Callable[..., Kms]) -> Kms:
    return open_with(kek, storage)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[T]]], T]:
    """Runs a coroutine function in the loop of each kind, and ends it if it hangs."""

    def run(main: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            with anyio.fail_after(120):
                return await main()

        return anyio.run(bounded, backend=request.param)

    return run
