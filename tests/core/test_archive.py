"""An archive gives back what was exported, and is refused if it was altered, cut or extended."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core import Bulk, Kek, Kms
from kms_core._deks.archive import CHUNK, ArchiveReader, ArchiveWriter
from kms_core._deks.record import Record
from kms_core._plugins.clients import KekClient, Keyset, bind
from kms_core.backend import WrappedDek
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file
from tests.core.conftest import FaultyKek, FaultyStorage
from tests.core.test_moving import count, failure, read
from tests.core.test_upkeep import Raising, rotate
from tests.secret_files import write_private

Open = Callable[..., Kms]
IDS = ("volume-1", "volume-2", "other", "größe/\u2028")


@pytest.fixture
def deks(kms: Kms) -> dict[str, bytes]:
    return {dek_id: kms.create_dek(dek_id, size=size) for size, dek_id in enumerate(IDS, 30)}


@pytest.fixture
def archive(deks: dict[str, bytes], kms: Kms) -> BytesIO:
    return export(kms, len(deks))


@pytest.fixture
def restored(key_file: Path, open_with: Open) -> Kms:
    """An empty store under the same KEK."""
    return open_with(LocalKek(LocalKek.Config(key_file=key_file)), FaultyStorage())


@pytest.fixture
def offline(tmp_path: Path) -> Iterator[Kek]:
    """A KEK of its own for backups."""
    path = write_private(tmp_path / "offline.toml", new_key_file())
    with kms_core.open_kek(f"kms://local?keyFile={path}") as kek:
        yield kek


def export(kms: Kms, number: int, **how: Any) -> BytesIO:
    file = BytesIO()
    assert [outcome.outcome for outcome in kms.export_deks(file, **how)] == ["done"] * number
    file.seek(0)
    return file


def test_a_whole_archive(archive: BytesIO, deks: dict[str, bytes], restored: Kms) -> None:
    assert count(restored.import_deks(archive, dry_run=True)) == {"done": 4}
    assert read(restored) == {}
    archive.seek(0)
    assert count(restored.import_deks(archive)) == {"done": 4}
    assert read(restored) == deks
    archive.seek(0)
    assert count(restored.import_deks(archive)) == {"unchanged": 4}


def test_records_come_back_byte_for_byte(
    archive: BytesIO, kms: Kms, storage: FaultyStorage, kek: FaultyKek, open_with: Open
) -> None:
    store = FaultyStorage()
    kek.wraps = 0
    assert count(open_with(kek, store).import_deks(archive)) == {"done": 4}
    assert {i: r.data for i, r in store._records.items()} == {
        i: r.data for i, r in storage._records.items()
    }
    assert kek.wraps == 0


def test_nothing_but_the_header_is_readable(archive: BytesIO, deks: dict[str, bytes]) -> None:
    header, _, rest = archive.getvalue().partition(b"\n")
    assert header.startswith(b'{"format":"kms-core.archive/1","created":"')
    for shown in (b"volume", b"wrapped_dek", *deks.values()):
        assert shown not in rest


def test_some_of_it(archive: BytesIO, deks: dict[str, bytes], restored: Kms) -> None:
    assert count(restored.import_deks(archive, "volume-", dek_ids=["volume-1", "other"])) == {
        "done": 1
    }
    assert read(restored) == {"volume-1": deks["volume-1"]}
    archive.seek(0)
    outcomes = [*restored.import_deks(archive, dek_ids=["other", "none", "neither"])]
    assert [outcome.dek_id for outcome in outcomes] == ["neither", "none", "other"]
    assert [outcome.outcome for outcome in outcomes] == ["failed", "failed", "done"]
    archive.seek(0)
    assert count(restored.import_deks(archive, "volume-")) == {"done": 1, "unchanged": 1}


def test_an_export_of_some(kms: Kms, deks: dict[str, bytes], restored: Kms) -> None:
    file = export(kms, 2, prefix="volume-", bulk=Bulk(1))
    assert count(restored.import_deks(file)) == {"done": 2}
    assert {*read(restored)} == {"volume-1", "volume-2"}


def test_under_a_kek_of_its_own(
    kms: Kms, deks: dict[str, bytes], restored: Kms, offline: Kek, kek: FaultyKek
) -> None:
    file = export(kms, 4, to=offline)
    with pytest.raises(kms_core.KekNotFoundError, match="configure the KEK that wrapped it"):
        restored.import_deks(file)
    file.seek(0)
    kek.alter_dek = lambda dek: pytest.fail("the lost KEK was asked")
    assert count(restored.import_deks(file, source=offline)) == {"done": 4}
    assert read(restored) == deks
    assert {restored.describe_dek(i).kek_id for i in IDS} == {restored.describe_kek().kek_id}


def test_a_rotated_kek_opens_it(
    archive: BytesIO, deks: dict[str, bytes], key_file: Path, open_with: Open
) -> None:
    rotate(key_file)
    newer = open_with(LocalKek(LocalKek.Config(key_file=key_file)), FaultyStorage())
    assert count(newer.import_deks(archive)) == {"done": 4}
    assert read(newer) == deks


def test_what_is_there_stays(archive: BytesIO, deks: dict[str, bytes], restored: Kms) -> None:
    theirs = restored.create_dek("other")
    error = failure(restored.import_deks(archive), "other")
    assert isinstance(error, kms_core.DekExistsError)
    assert read(restored) == deks | {"other": theirs}


def test_what_was_rewrapped_since_is_the_same(
    archive: BytesIO, key_file: Path, storage: FaultyStorage, open_with: Open
) -> None:
    rotate(key_file)
    newer = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    assert count(newer.rewrap_deks()) == {"done": 4}
    assert count(newer.import_deks(archive)) == {"unchanged": 4}


def test_what_cannot_be_read_is_named_and_left_out(
    deks: dict[str, bytes], kms: Kms, storage: FaultyStorage, restored: Kms
) -> None:
    storage.create_record("strange", b"no record")
    file = BytesIO()
    assert isinstance(failure(kms.export_deks(file), "strange"), kms_core.RecordError)
    file.seek(0)
    assert count(restored.import_deks(file)) == {"done": 4}


def test_an_export_that_stops_is_no_archive(deks: dict[str, bytes], kms: Kms) -> None:
    file = BytesIO()
    run = kms.export_deks(file)
    next(run)
    del run
    file.seek(0)
    with pytest.raises(kms_core.ArchiveError, match="altered, cut or extended"):
        kms.import_deks(file)


def test_an_empty_one(kms: Kms, restored: Kms) -> None:
    assert count(restored.import_deks(export(kms, 0))) == {}


@pytest.fixture
def keks(key_file: Path) -> Keyset:
    bound = bind("kms://local", LocalKek(LocalKek.Config(key_file=key_file)), "kms-core test")
    assert isinstance(bound, KekClient)
    return Keyset([bound])


class InPieces(RawIOBase):
    """A file that gives a few bytes at a time, as a pipe does."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def seek(self, place: int, whence: int = 0) -> int:
        assert whence == 0
        self.place = place
        return place

    def tell(self) -> int:
        return self.place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.content[self.place : self.place + min(len(buffer), 10_000)]
        buffer[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)


@pytest.mark.parametrize("beyond", [-1, 0, 1, CHUNK, 3 * CHUNK])
def test_any_length(keks: Keyset, kms: Kms, storage: FaultyStorage, beyond: int) -> None:
    """Whole chunks too, of which the last is the last one."""
    kms.create_dek("a")
    record, file = storage.load_record("a").data, BytesIO()
    writer, length = ArchiveWriter(file, keks), 0
    while length + len(record) + 1 <= CHUNK + beyond:
        writer.add(record)
        length += len(record) + 1
    writer.finish()
    found = [r.encode() for r in ArchiveReader(InPieces(file.getvalue()), keks).records()]  # type: ignore[arg-type] # it reads as one
    assert found == [record] * (length // (len(record) + 1))
    _, _, rest = file.getvalue().partition(b"\n")
    chunks = max(1, -(-length // CHUNK))  # no empty one at the end
    assert len(rest) == length + 16 * chunks


@pytest.fixture
def longer(keks: Keyset, kms: Kms, storage: FaultyStorage) -> bytes:
    """An archive of four chunks."""
    kms.create_dek("a")
    record, file = storage.load_record("a").data, BytesIO()
    writer = ArchiveWriter(file, keks)
    for _ in range(3 * CHUNK // len(record) + 1):
        writer.add(record)
    writer.finish()
    return file.getvalue()


def refuse(content: bytes, keks: Keyset) -> None:
    with pytest.raises((kms_core.ArchiveError, kms_core.KekNotFoundError)):
        list(ArchiveReader(BytesIO(content), keks).records())


EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@EXAMPLES
@given(data=st.data())
def test_any_altered_byte_is_found(longer: bytes, keks: Keyset, data: st.DataObject) -> None:
    header = longer.index(b"\n") + 1
    place = data.draw(st.integers(0, header - 1) | st.integers(header, len(longer) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != longer[place]))
    refuse(longer[:place] + bytes([byte]) + longer[place + 1 :], keks)


@EXAMPLES
@given(data=st.data())
def test_any_cut_is_found(longer: bytes, keks: Keyset, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(longer) - 1))
    end = data.draw(st.integers(start + 1, len(longer)) | st.just(len(longer)))
    refuse(longer[:start] + longer[end:], keks)


@EXAMPLES
@given(place=st.floats(0, 1), more=st.binary(min_size=1, max_size=100))
def test_any_insertion_is_found(longer: bytes, keks: Keyset, place: float, more: bytes) -> None:
    at = int(place * len(longer))
    refuse(longer[:at] + more + longer[at:], keks)


def test_chunks_that_are_moved_doubled_or_dropped(longer: bytes, keks: Keyset) -> None:
    start, size = longer.index(b"\n") + 1, CHUNK + 16
    header, rest = longer[:start], longer[start:]
    one, two, three, four = (rest[i : i + size] for i in range(0, len(rest), size))
    for chunks in (
        *((two, one, three, four), (one, one, two, three, four), (one, three, four)),
        *(
            (one, two, three),
            (one, two, four),
            (two, three, four),
            (four,),
            (one, two, three, four, four),
        ),
    ):
        refuse(header + b"".join(chunks), keks)
    refuse(header, keks)


def test_a_cut_between_two_records_at_the_end_of_a_chunk(keks: Keyset) -> None:
    file = BytesIO()
    writer = ArchiveWriter(file, keks)
    for dek_id in "ab":
        writer.add(record_of(dek_id, CHUNK - 1))
    writer.finish()
    whole = file.getvalue()
    start = whole.index(b"\n") + 1
    assert len(whole) == start + 2 * (CHUNK + 16)
    assert [r.dek_id for r in ArchiveReader(BytesIO(whole), keks).records()] == ["a", "b"]
    refuse(whole[: start + CHUNK + 16], keks)


def record_of(dek_id: str, size: int) -> bytes:
    """A record of this many bytes."""
    now, empty = "2026-01-31T23:59:59Z", WrappedDek(b"", "", "1", "AES-256-GCM")
    rest = size - len(Record.make(dek_id, 32, now, "local", empty).encode())
    return Record.make(dek_id, 32, now, "local", replace(empty, kek_id="k" * rest)).encode()


def test_an_archive_that_ends_within_a_record(keks: Keyset) -> None:
    file = BytesIO()
    writer = ArchiveWriter(file, keks)
    writer.add(record_of("a", 300))
    writer._pending += record_of("b", 300)  # without a line break
    writer.finish()
    with pytest.raises(kms_core.ArchiveError, match="ends within a record"):
        list(ArchiveReader(BytesIO(file.getvalue()), keks).records())


def test_the_header_of_another_archive(archive: BytesIO, kms: Kms, keks: Keyset) -> None:
    _, _, rest = archive.getvalue().partition(b"\n")
    header, _, _ = export(kms, 4).getvalue().partition(b"\n")
    refuse(header + b"\n" + rest, keks)


def test_what_is_no_archive(keks: Keyset, longer: bytes) -> None:
    newer = longer.replace(b"archive/1", b"archive/2", 1)
    for content, problem in {
        b"": "no archive of kms-core",
        b"[" * 100_000: "no archive of kms-core",
        b"{}\n": "no archive of kms-core",
        newer: "unknown version",
        longer.replace(b'","kek":', b'", "kek":', 1): "header of the archive was altered",
    }.items():
        with pytest.raises(kms_core.ArchiveError, match=problem):
            ArchiveReader(BytesIO(content), keks)


def test_a_pipe_is_no_archive(kms: Kms) -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe, pytest.raises(kms_core.ConfigError, match="not a pipe"):
        kms.import_deks(pipe)


def test_what_was_wrapped_is_proven(kms: Kms, kek: FaultyKek) -> None:
    kek.alter_dek = lambda dek: dek[:-1] + bytes([dek[-1] ^ 1])
    with pytest.raises(kms_core.UnavailableError, match="does not unwrap, so it was not used"):
        kms.export_deks(BytesIO())


def test_nothing_is_stored_of_an_archive_that_was_cut(archive: BytesIO, restored: Kms) -> None:
    with pytest.raises(kms_core.ArchiveError):
        restored.import_deks(BytesIO(archive.getvalue()[:-1]))
    assert read(restored) == {}


def test_an_interrupted_import_goes_on(
    archive: BytesIO, deks: dict[str, bytes], restored: Kms
) -> None:
    run = restored.import_deks(archive, bulk=Bulk(1))
    next(run)
    del run
    archive.seek(0)
    assert count(restored.import_deks(archive)).total() == 4
    assert read(restored) == deks


def test_an_answer_that_was_lost(
    archive: BytesIO, deks: dict[str, bytes], kek: FaultyKek, open_with: Open
) -> None:
    store = FaultyStorage()
    store.after_create.append(Raising(kms_core.UnavailableError("the answer was lost")))
    kms = open_with(kek, store)
    assert count(kms.import_deks(archive)) == {"done": 4}
    assert read(kms) == deks
