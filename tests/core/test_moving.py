"""DEKs go to another KEK or store: nothing is replaced there, and no answer is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from traceback import walk_tb
from typing import Any

import pytest

import kms_core
from kms_core import Bulk, Kms, Outcome
from kms_core._deks.stored import StoredDeks
from kms_core._events import Observer
from kms_core._plugins.clients import Keyset, bind
from kms_core._tracebacks import error_chain
from kms_core.backend import Event, hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.core.conftest import FaultyKek, FaultyStorage
from tests.core.test_upkeep import Raising, rotate
from tests.secret_files import write_private

IDS = ("volume-1", "volume-2", "other")
Open = Callable[..., Kms]
Move = Callable[..., Iterator[Outcome]]


@pytest.fixture
def deks(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.create_dek(dek_id, size=size) for size, dek_id in enumerate(IDS, 30)}


@pytest.fixture
def there() -> FaultyStorage:
    """Where DEKs go."""
    return FaultyStorage()


@pytest.fixture
def other_kek(tmp_path: Path) -> FaultyKek:
    path = write_private(tmp_path / "other.toml", new_key_file())
    return FaultyKek(LocalKek.Config(key_file=path))


@pytest.fixture
def other(other_kek: FaultyKek, there: FaultyStorage, open_with: Open) -> Kms:
    return open_with(other_kek, there)


@pytest.fixture
def copied(key_file: Path, there: FaultyStorage, open_with: Open) -> Kms:
    return open_with(LocalKek(LocalKek.Config(key_file=key_file)), there)


@pytest.fixture(params=["migrate", "copy"])
def move(request: pytest.FixtureRequest, kms: Kms) -> tuple[Move, Kms]:
    """How they go, and where they can be read then."""
    if request.param == "migrate":
        return kms.migrate_deks, request.getfixturevalue("other")
    return kms.copy_deks, request.getfixturevalue("copied")


def count(outcomes: Iterator[Outcome]) -> Counter[str]:
    return Counter(outcome.outcome for outcome in outcomes)


def failure(outcomes: Iterator[Outcome], dek_id: str) -> kms_core.KmsError:
    [error] = [o.error for o in outcomes if o.dek_id == dek_id and o.outcome == "failed"]
    assert error is not None
    assert error.dek_id == dek_id
    return error


def read(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()}


def test_all_of_them(deks: dict[str, bytes], kms: Kms, move: tuple[Move, Kms]) -> None:
    start, to = move
    assert count(start(to, dry_run=True)) == {"done": 3}
    assert read(to) == {}
    assert count(start(to, "volume-")) == {"done": 2}
    assert count(start(to, bulk=Bulk(concurrency=1))) == {"done": 1, "unchanged": 2}
    assert read(to) == deks == read(kms)
    ours, theirs = ({i: one.describe_dek(i) for i in IDS} for one in (kms, to))
    for dek_id in IDS:
        same = replace(theirs[dek_id], kek_id=ours[dek_id].kek_id, revision=ours[dek_id].revision)
        assert same == ours[dek_id]
    assert count(start(kms)) == {"unchanged": 3}


def test_a_migrated_dek_is_under_the_other_kek_alone(
    deks: dict[str, bytes], kms: Kms, other: Kms, there: FaultyStorage
) -> None:
    assert count(kms.migrate_deks(other)) == {"done": len(deks)}
    assert {other.describe_dek(i).kek_id for i in IDS} == {other.describe_kek().kek_id}


def test_what_is_told_of_each_that_moves(
    kek: FaultyKek, storage: FaultyStorage, other: Kms, tmp_path: Path, open_with: Open
) -> None:
    """Its outcome tells what its record said, and observers are told what wraps it now."""
    events: list[Event] = []
    kms = open_with(kek, storage, [Observer("test", events.append)])
    kms.create_dek("a")
    before, file = kms.describe_dek("a"), BytesIO()
    ours, theirs = before.kek_id, other.describe_kek().kek_id

    def tell(moved: Iterator[Outcome]) -> tuple[str, Any, list[Any]]:
        events.clear()
        [outcome] = moved
        return outcome.outcome, outcome.dek, [e.kek_id for e in events if e.parent is None]

    with kms_core.open_kek(f"kms://local?keyFile={tmp_path}/other.toml") as there:
        assert tell(kms.migrate_deks(other, dry_run=True)) == ("done", before, [None])
        assert tell(kms.migrate_deks(other)) == ("done", before, [theirs])
        assert tell(kms.migrate_deks(other)) == ("unchanged", before, [theirs])
        assert tell(kms.export_deks(BytesIO(), to=there)) == ("done", before, [theirs])
    assert tell(kms.copy_deks(open_with(kek, FaultyStorage()))) == ("done", before, [ours])
    assert tell(kms.export_deks(file)) == ("done", before, [ours])
    file.seek(0)
    archived = replace(before, revision="")
    assert tell(kms.import_deks(file)) == ("unchanged", archived, [ours])


def test_a_copy_is_byte_for_byte_and_asks_no_kms(
    kms: Kms, kek: FaultyKek, storage: FaultyStorage, there: FaultyStorage, open_with: Open
) -> None:
    kms.create_dek("other")
    kek.alter_dek = lambda dek: pytest.fail("the KMS was asked")
    to = open_with(kek, there)
    assert count(kms.copy_deks(to)) == {"done": 1}
    assert count(kms.copy_deks(to)) == {"unchanged": 1}
    assert there.load_record("other").data == storage.load_record("other").data


def test_a_copy_stays_under_its_kek(kms: Kms, kek: FaultyKek, there: FaultyStorage) -> None:
    key: Any = bind("kms://aws", kek, "kms-core test")
    store: Any = bind("storage://memory", there, "kms-core test")
    with pytest.raises(kms_core.ConfigError, match="migrate to bring it under another one"):
        kms.copy_deks(Kms(StoredDeks(Keyset([key]), store), ExitStack()))


def test_another_dek_there_stays(deks: dict[str, bytes], move: tuple[Move, Kms]) -> None:
    start, to = move
    theirs = to.create_dek("other")
    error = failure(start(to), "other")
    assert isinstance(error, kms_core.DekExistsError)
    assert "another DEK of this dek_id is stored there" in str(error)
    assert read(to) == deks | {"other": theirs}
    assert isinstance(failure(start(to, dry_run=True), "other"), kms_core.DekExistsError)


def test_what_is_no_record_there_stays(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move
    there.create_record("other", b"no record")
    assert isinstance(failure(start(to), "other"), kms_core.RecordError)
    assert there.load_record("other").data == b"no record"


def test_what_is_no_record_here_is_named(
    deks: dict[str, bytes], move: tuple[Move, Kms], storage: FaultyStorage
) -> None:
    start, to = move
    storage.create_record("strange", b"no record")
    assert isinstance(failure(start(to), "strange"), kms_core.RecordError)
    assert read(to) == deks


def test_a_dek_that_was_rewrapped_meanwhile_is_the_same(
    deks: dict[str, bytes], kms: Kms, key_file: Path, there: FaultyStorage, open_with: Open
) -> None:
    to = open_with(LocalKek(LocalKek.Config(key_file=key_file)), there)
    assert count(kms.copy_deks(to)) == {"done": 3}
    rotate(key_file)
    newer = open_with(LocalKek(LocalKek.Config(key_file=key_file)), there)
    assert count(newer.rewrap_deks()) == {"done": 3}
    assert count(kms.copy_deks(newer)) == {"unchanged": 3}


LOST = [kms_core.UnavailableError("the answer was lost"), kms_core.DekExistsError()]


@pytest.mark.parametrize("lost", LOST, ids=["lost", "asked again"])
def test_an_answer_that_was_lost(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage, lost: Exception
) -> None:
    start, to = move
    there.after_create.append(Raising(lost))
    assert count(start(to)) == {"done": 3}
    assert read(to) == deks


def test_a_store_that_is_away(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move
    there.before_create.append(Raising(kms_core.UnavailableError("it is away")))
    assert count(start(to)) == {"done": 2, "failed": 1}
    assert count(start(to)) == {"done": 1, "unchanged": 2}
    assert read(to) == deks


def test_a_conflict_is_looked_at_again(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move
    there.before_create.append(Raising(kms_core.ConflictError()))
    assert count(start(to)) == {"done": 3}
    assert read(to) == deks


def test_a_rival_that_is_first(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move

    def create() -> None:
        there.before_load.clear()
        theirs.append(to.create_dek("other"))

    theirs: list[bytes] = []
    there.before_create.append(create)
    assert isinstance(failure(start(to, "other"), "other"), kms_core.DekExistsError)
    assert read(to) == {"other": theirs[0]}


def test_a_store_that_hides_what_is_missing(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move
    hidden = kms_core.AccessDeniedError("denied, or missing", maybe_missing=True)
    there.before_load.append(Raising(hidden))
    assert count(start(to, "other")) == {"done": 1}
    there.before_load.append(Raising(kms_core.AccessDeniedError("denied")))
    assert isinstance(failure(start(to, "volume-1"), "volume-1"), kms_core.AccessDeniedError)


class Liar(MemoryStorage):
    """Says that it stores, and keeps something else or nothing."""

    def __init__(self, keep: Callable[[bytes], bytes] | None) -> None:
        super().__init__(MemoryStorage.Config())
        self.keep = keep

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        if self.keep is not None:
            super().create_record(dek_id, self.keep(data))
        return "1"


@pytest.mark.parametrize("kept", ["nothing", "another record", "an altered record"])
@pytest.mark.parametrize("how", ["migrate", "copy"])
def test_a_store_that_lies(kms: Kms, kek: FaultyKek, open_with: Open, kept: str, how: str) -> None:
    kms.create_dek("a")
    keep = {
        "nothing": None,
        "another record": lambda data: data.replace(b'"dek_id":"a"', b'"dek_id":"b"'),
        "an altered record": lambda data: data.replace(b'"size":32', b'"size":33'),
    }[kept]
    to = open_with(kek, Liar(keep))
    start = kms.migrate_deks if how == "migrate" else kms.copy_deks
    assert count(start(to)) == {"failed": 1}


def test_what_does_not_unwrap_is_not_stored(
    deks: dict[str, bytes], kms: Kms, other: Kms, other_kek: FaultyKek
) -> None:
    other_kek.alter_wrapped = lambda wrapped: replace(wrapped, ciphertext=wrapped.ciphertext[:-1])
    assert count(kms.migrate_deks(other)) == {"failed": len(deks)}
    assert list(other.list_dek_ids()) == []


def test_a_dek_that_was_deleted_meanwhile_is_gone(
    deks: dict[str, bytes], move: tuple[Move, Kms], storage: FaultyStorage
) -> None:
    start, to = move
    storage.before_load.append(Raising(kms_core.DekNotFoundError()))
    assert count(start(to, "other")) == {"gone": 1}


def test_an_error_carries_no_dek(
    deks: dict[str, bytes], move: tuple[Move, Kms], there: FaultyStorage
) -> None:
    start, to = move
    there.before_create.append(Raising(kms_core.UnavailableError("it is away")))
    error = failure(start(to, "other"), "other")
    frames = [f for link in error_chain(error) for f, _ in walk_tb(link.__traceback__)]
    assert frames
    assert [f for f in frames for value in f.f_locals.values() if value == deks["other"]] == []


def test_a_run_that_stops_goes_on(deks: dict[str, bytes], move: tuple[Move, Kms]) -> None:
    start, to = move
    run = start(to, bulk=Bulk(concurrency=1))
    assert next(run).outcome == "done"
    del run
    again = count(start(to))
    assert again["done"] + again["unchanged"] == 3
    assert again["unchanged"] >= 1
    assert read(to) == deks


def test_derived_deks_neither_go_nor_come(kms: Kms) -> None:
    zeros = "A" * 43 + "="
    with kms_core.open_kms(f"kms://cluster-kms?key={zeros}&salt={zeros}") as derived:
        for source, to in ((kms, derived), (derived, kms)):
            for move in (source.migrate_deks, source.copy_deks):
                with pytest.raises(kms_core.ConfigError, match="derives its DEKs"):
                    move(to)
        with pytest.raises(kms_core.ConfigError, match="derives its DEKs"):
            kms.import_constellation(derived)
