"""A DEK's whole life in any order, with lost answers, outages, rivals and crashes in between.

What holds at every step: each DEK that was ever returned and not deleted can be read, unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kms_core import Bulk, Kms, KmsError, StorageInfo, UnavailableError
from kms_core.backend import StorageSpec, StoredRecord, hookimpl

T = TypeVar("T")

IDS = st.sampled_from(["a", "A", "b/../c", "日" * 85])
LOST = st.sampled_from(["", "", "before", "after"])
"""Whether the next write loses its call, its answer, or nothing."""


class Lossy(StorageSpec):
    """A storage of which a write may be lost before the store has it, or its answer after that."""

    def __init__(self, store: StorageSpec) -> None:
        self.store = store
        self.lost = ""
        self.rival: Callable[[], object] | None = None

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        return self.store.load_record(dek_id=dek_id)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        return self._write(lambda: self.store.create_record(dek_id=dek_id, data=data))

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        return self._write(
            lambda: self.store.replace_record(dek_id=dek_id, data=data, revision=revision)
        )

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        self._write(lambda: self.store.delete_record(dek_id=dek_id, revision=revision))

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return self.store.list_dek_ids(prefix=prefix)

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return self.store.describe_storage()

    @hookimpl
    def close(self) -> None:
        self.store.close()

    def _write(self, write: Callable[[], T]) -> T:
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()
        lost, self.lost = self.lost, ""
        if lost == "before":
            raise UnavailableError("the call was lost")
        made = write()
        if lost == "after":
            raise UnavailableError("the answer was lost")
        return made


@dataclass(frozen=True)
class Place:
    """A KEK and a storage.

    Attributes:
        open: opens a new client of both, as they are by now.
        rotate: adds a version to the KEK.
    """

    open: Callable[[], tuple[Kms, Lossy]]
    rotate: Callable[[], object]


class Life(RuleBasedStateMachine):
    """Subclassed for each pair of a KEK and a storage.

    Attributes:
        new_place: makes a new KEK and an empty storage: what earlier examples left would be in the
            way, and each version of a KEK makes it slower.
        new_place_elsewhere: the same, of another kind.
    """

    new_place: ClassVar[Callable[[], Place]]
    new_place_elsewhere: ClassVar[Callable[[], Place]]

    def __init__(self) -> None:
        super().__init__()
        self.returned: dict[str, bytes] = {}
        self.arrived: dict[str, bytes] = {}
        self.place = type(self).new_place()
        self.kms, self.storage = self.place.open()
        self.there, self.storage_there = type(self).new_place_elsewhere().open()

    def teardown(self) -> None:
        self.kms.close()
        self.there.close()

    @rule(dek_id=IDS, lost=LOST, create=st.booleans())
    def get(self, dek_id: str, lost: str, *, create: bool) -> None:
        self.storage.lost = lost
        with suppress(KmsError):
            self._returned(dek_id, self.kms.get_dek(dek_id, create=create))

    @rule(dek_id=IDS, lost=LOST)
    def create(self, dek_id: str, lost: str) -> None:
        self.storage.lost = lost
        with suppress(KmsError):
            self._returned(dek_id, self.kms.create_dek(dek_id, size=48))

    @rule(dek_id=IDS, lost=LOST, has_rival=st.booleans())
    def rewrap(self, dek_id: str, lost: str, *, has_rival: bool) -> None:
        self.storage.lost = lost
        if has_rival:
            self.storage.rival = self._rewrap_elsewhere
        with suppress(KmsError):
            self.kms.rewrap_dek(dek_id)

    @rule(lost=LOST)
    def rewrap_all(self, lost: str) -> None:
        self.storage.lost = lost
        outcomes = list(self.kms.rewrap_deks(bulk=Bulk(concurrency=2)))
        assert sum(outcome.outcome == "failed" for outcome in outcomes) <= (lost == "before")

    @rule(dek_id=IDS, lost=LOST)
    def delete(self, dek_id: str, lost: str) -> None:
        self.storage.lost = lost
        try:
            self.kms.delete_dek(dek_id)
        except KmsError:
            return  # nothing was deleted: the invariant sees to it
        self.returned.pop(dek_id, None)
        assert dek_id not in self.kms.list_dek_ids()

    @rule(lost=LOST, lost_there=LOST)
    def migrate(self, lost: str, lost_there: str) -> None:
        self.storage.lost, self.storage_there.lost = lost, lost_there
        for outcome in self.kms.migrate_deks(self.there, bulk=Bulk(concurrency=2)):
            if outcome.outcome != "failed":
                dek = self.kms.get_dek(outcome.dek_id)
                assert self.arrived.setdefault(outcome.dek_id, dek) == dek

    @rule(lost=LOST, lost_there=LOST)
    def migrate_back(self, lost: str, lost_there: str) -> None:
        self.storage.lost, self.storage_there.lost = lost, lost_there
        for outcome in self.there.migrate_deks(self.kms, bulk=Bulk(concurrency=2)):
            if outcome.outcome != "failed":
                self._returned(outcome.dek_id, self.there.get_dek(outcome.dek_id))

    @rule()
    def rotate_kek(self) -> None:
        self.place.rotate()
        self.crash()  # who has it open goes on with the version that it knows

    @rule()
    def crash(self) -> None:
        """Whatever the process knew is gone; what is stored is all there is."""
        self.kms.close()
        self.kms, self.storage = self.place.open()

    @invariant()
    def every_dek_is_readable(self) -> None:
        self.storage.lost = ""
        for dek_id, dek in self.returned.items():
            assert self.kms.get_dek(dek_id) == dek
        for dek_id, dek in self.arrived.items():
            assert self.there.get_dek(dek_id) == dek

    def _returned(self, dek_id: str, dek: bytes) -> None:
        assert self.returned.setdefault(dek_id, dek) == dek

    def _rewrap_elsewhere(self) -> None:
        kms, _ = self.place.open()
        with kms:
            list(kms.rewrap_deks(bulk=Bulk(concurrency=1)))
