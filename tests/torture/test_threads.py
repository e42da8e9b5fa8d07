"""Threads that ask for the same DEKs at random, and stores whose histories cannot be."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from kms_core import Kms
from kms_core.backend import hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.core.test_upkeep import rotate
from tests.life.machine import Lossy
from tests.secret_files import write_private
from tests.torture.caller import join, play
from tests.torture.histories import judge, read_histories
from tests.torture.wire import KEPT

T = TypeVar("T")
Open = Callable[[], Kms]
IDS = [f"{kind}{number}" for kind in (KEPT, "gone-") for number in range(4)]
CALLERS = 64


class Careless(Lossy):
    """Loses every fourth call, and every fourth answer."""

    def _write(self, write: Callable[[], T]) -> T:
        self.lost = random.choice(("", "", "before", "after"))
        return super()._write(write)


class LooksThenWrites(MemoryStorage):
    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        if dek_id in self._records:
            return super().create_record(dek_id, data)  # which refuses
        time.sleep(0.001)
        return self._put(dek_id, data)


class ReplacesWhatIsGone(MemoryStorage):
    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        time.sleep(0.001)
        return self._put(dek_id, data)


@pytest.fixture
def open_with(tmp_path: Path) -> Callable[[MemoryStorage | Lossy], Open]:
    """Opens a façade over the store under a KEK that is rotated each time."""
    key_file = write_private(tmp_path / "kek.toml", new_key_file())

    def openers(storage: MemoryStorage | Lossy) -> Open:
        def open_one() -> Kms:
            rotate(key_file)
            return join(LocalKek(LocalKek.Config(key_file=key_file)), storage)

        return open_one

    return openers


def run(kmses: list[Kms], calls: int) -> None:
    lines: list[str] = []
    with ThreadPoolExecutor(len(kmses)) as pool:
        ended = [
            pool.submit(play, kms, lines.append, f"{random.getrandbits(32)}", IDS, calls)
            for kms in kmses
        ]
    for one in ended:
        one.result()
    told = judge(read_histories(lines), kmses[-1])
    assert told["operations"] == calls * len(kmses)


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
def test_threads(open_with: Callable[..., Open], *, shared: bool, long: bool) -> None:
    storage = Careless(MemoryStorage(MemoryStorage.Config()))
    # Callers of one façade share a call, which may have read before a deletion by another façade.
    opened = [open_with(storage)() for _ in range(1 if shared else CALLERS)]
    run(opened * (CALLERS // len(opened)), 200 if long else 8)


@pytest.mark.parametrize("broken", [LooksThenWrites, ReplacesWhatIsGone])
def test_what_cannot_be_is_found(
    open_with: Callable[..., Open], broken: type[MemoryStorage]
) -> None:
    open_one = open_with(broken(MemoryStorage.Config()))

    def run_often() -> None:
        for _ in range(20):
            run([open_one() for _ in range(8)], 20)

    with pytest.raises(AssertionError, match=r"lost or changed|cannot be"):
        run_often()
