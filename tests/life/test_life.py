"""The lives of DEKs under ``kms://local``, in memory and in files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from kms_core import Kms
from kms_core._deks.stored import StoredDeks
from kms_core._plugins.clients import KekClient, Keyset, StorageClient, bind
from kms_core.backend import KekSpec, StorageSpec
from kms_core.builtin.file.storage import FileStorage
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.core.test_upkeep import rotate
from tests.life.machine import Life, Lossy
from tests.secret_files import write_private


def join(kek: KekSpec, name: str, storage: Lossy) -> tuple[Kms, Lossy]:
    """A façade over backends that a test has opened."""
    bound, store = bind(name, kek, "a test"), bind("storage://lossy", storage, "a test")
    assert isinstance(bound, KekClient)
    assert isinstance(store, StorageClient)
    return Kms(StoredDeks(Keyset([bound]), store), ExitStack()), storage


def elsewhere(folder: Path) -> tuple[Kms, Lossy]:
    """A new store in memory, under a new KEK."""
    key_file = write_private(folder / f"{token_hex(8)}.toml", new_key_file())
    kek = LocalKek(LocalKek.Config(key_file=key_file))
    return join(kek, "kms://local", Lossy(MemoryStorage(MemoryStorage.Config())))


@contextmanager
def stores(kind: str) -> Iterator[Callable[[], StorageSpec]]:
    """Opens clients of one store."""
    if kind == "memory":
        memory = MemoryStorage(MemoryStorage.Config())
        yield lambda: memory
        return
    with TemporaryDirectory() as folder:
        yield lambda: FileStorage(FileStorage.Config(path=Path(folder)))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_every_dek_stays_readable(kind: str, tmp_path: Path, *, long: bool) -> None:
    key_file = write_private(tmp_path / "kek.toml", new_key_file())
    with stores(kind) as open_store:

        class OnThisMachine(Life):
            @staticmethod
            def open() -> tuple[Kms, Lossy]:
                kek = LocalKek(LocalKek.Config(key_file=key_file))
                return join(kek, "kms://local", Lossy(open_store()))

            @staticmethod
            def open_elsewhere() -> tuple[Kms, Lossy]:
                return elsewhere(tmp_path)

            @staticmethod
            def rotate() -> None:
                rotate(key_file)

        examples = settings(max_examples=2000 if long else 15, stateful_step_count=30)
        run_state_machine_as_test(OnThisMachine, settings=examples)
