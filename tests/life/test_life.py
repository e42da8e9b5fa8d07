"""The lives of DEKs under ``kms://local``, in memory and in files."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from secrets import token_hex

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
from tests.life.machine import Life, Lossy, Place
from tests.secret_files import write_private


def join(kek: KekSpec, name: str, storage: StorageSpec) -> tuple[Kms, Lossy]:
    """A façade over backends that a test has opened."""
    lossy = Lossy(storage)
    bound, store = bind(name, kek, "a test"), bind("storage://lossy", lossy, "a test")
    assert isinstance(bound, KekClient)
    assert isinstance(store, StorageClient)
    resources = ExitStack()
    resources.callback(bound.close)
    resources.callback(store.close)
    return Kms(StoredDeks(Keyset([bound]), store), resources), lossy


def new_place(folder: Path, kind: str = "memory") -> Place:
    """A new KEK in a key file, and an empty store."""
    name = token_hex(8)
    key_file = write_private(folder / f"{name}.toml", new_key_file())
    memory = MemoryStorage(MemoryStorage.Config())

    def open_both() -> tuple[Kms, Lossy]:
        kek = LocalKek(LocalKek.Config(key_file=key_file))
        files = FileStorage.Config(path=folder / name, create_folder=True)
        return join(kek, "kms://local", memory if kind == "memory" else FileStorage(files))

    return Place(open_both, partial(rotate, key_file))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_every_dek_stays_readable(kind: str, tmp_path: Path, *, long: bool) -> None:
    class OnThisMachine(Life):
        @staticmethod
        def new_place() -> Place:
            return new_place(tmp_path, kind)

        @staticmethod
        def new_place_elsewhere() -> Place:
            return new_place(tmp_path)

    examples = settings(max_examples=2000 if long else 15, stateful_step_count=30)
    run_state_machine_as_test(OnThisMachine, settings=examples)
