"""A stored DEK is shown, wrapped again and deleted, and can be read until it is deleted."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._deks.stored import StoredDeks
from kms_core._plugins.clients import Keyset, bind
from kms_core.backend import Context, StoredRecord, WrappedDek, hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file, read_key_file
from kms_core.builtin.memory import MemoryStorage
from tests.core.conftest import FaultyKek, FaultyStorage
from tests.secret_files import write_private

Open = Callable[..., Kms]


def rotate(key_file: Path) -> None:
    """Add a version, which whoever opens the file from now on wraps with."""
    version = int(read_key_file(key_file).newest) + 1
    with key_file.open("a") as file:
        file.write(f'{version} = "{b64encode(os.urandom(32)).decode()}"\n')


class Raising:
    """Raises the error, once."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self) -> None:
        raise self.error


@pytest.fixture
def rotated(kms: Kms, key_file: Path, storage: FaultyStorage, open_with: Open) -> Kms:
    """A façade with a newer version of the KEK, over the store of `kms`."""
    rotate(key_file)
    return open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)


def test_description_of_a_dek(kms: Kms, kek: FaultyKek) -> None:
    kms.create_dek("a", size=64)
    kek.alter_dek = lambda dek: pytest.fail("the KMS was asked")
    info = kms.describe_dek("a")
    assert (info.dek_id, info.size, info.provider, info.kek_version) == ("a", 64, "local", "1")
    assert (info.kek_id, info.algorithm) == (kms.describe_kek().kek_id, "AES-256-GCM")
    assert timedelta(0) <= datetime.now(UTC) - info.created < timedelta(minutes=5)
    with pytest.raises(kms_core.DekNotFoundError):
        kms.describe_dek("b")


def test_description_of_what_is_no_record(kms: Kms, storage: FaultyStorage) -> None:
    kms.create_dek("a")
    [stored] = storage._records.values()
    document = json.loads(stored.data)
    for strange in (b"{}", json.dumps(document | {"created": "once"}, separators=(",", ":"))):
        data = strange if isinstance(strange, bytes) else strange.encode()
        storage._records["a"] = replace(stored, data=data)
        with pytest.raises(kms_core.RecordError, match="DEK 'a': the record") as caught:
            kms.describe_dek("a")
        assert caught.value.backend == "storage://memory"


def test_deletion(kms: Kms) -> None:
    kms.create_dek("a")
    seen = kms.describe_dek("a").revision
    with pytest.raises(kms_core.ConflictError):
        kms.delete_dek("a", revision=seen + "0")
    kms.delete_dek("a", revision=seen)
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")
    for revision in (seen, None):
        with pytest.raises(kms_core.DekNotFoundError):
            kms.delete_dek("a", revision=revision)


def test_deletion_of_what_is_no_record(kms: Kms, storage: FaultyStorage) -> None:
    storage.create_record("a", b"no record")
    kms.delete_dek("a")
    assert list(kms.list_dek_ids()) == []


class KeepsOld(MemoryStorage):
    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        return len(prefix)


def test_old_records(kek: FaultyKek, kms: Kms, open_with: Open) -> None:
    assert open_with(kek, KeepsOld(MemoryStorage.Config())).count_old_records("abc") == 3
    assert kms.count_old_records() is None, "a storage that cannot tell"


class LosesAnswers(MemoryStorage):
    """Does what it is told, and then raises what is next in its list."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.after: list[Exception] = []
        self.before_replace: list[Callable[[], object]] = []

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        if self.before_replace:
            self.before_replace.pop(0)()
        made = super().replace_record(dek_id, data, revision)
        self._lose()
        return made

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        super().delete_record(dek_id, revision)
        self._lose()

    def _lose(self) -> None:
        if self.after:
            raise self.after.pop(0)


LOST = [kms_core.UnavailableError("the answer was lost"), kms_core.DekNotFoundError()]


@pytest.mark.parametrize("lost", LOST, ids=["lost", "asked again"])
def test_deletion_whose_answer_was_lost(kek: FaultyKek, open_with: Open, lost: Exception) -> None:
    storage = LosesAnswers()
    kms = open_with(kek, storage)
    kms.create_dek("a")
    storage.after.append(lost)
    kms.delete_dek("a")
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")


class SaysYes(MemoryStorage):
    """Says that it deleted, and does nothing, as a gateway's page may seem to say."""

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        pass


def test_deletion_that_never_happened(kek: FaultyKek, open_with: Open) -> None:
    kms = open_with(kek, SaysYes(MemoryStorage.Config()))
    dek = kms.create_dek("a")
    with pytest.raises(kms_core.UnavailableError, match=r"DEK 'a': .* and still has it; try again"):
        kms.delete_dek("a")
    assert kms.get_dek("a") == dek


class Beaten(MemoryStorage):
    """Deletes nothing, and a rival has changed the record by the time that it says what it says."""

    def __init__(self, says: Exception | None) -> None:
        super().__init__(MemoryStorage.Config())
        self.says = says
        self.rival: Callable[[], object] = Raising(AssertionError("there is no rival yet"))

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        self.rival()
        if self.says:
            raise self.says


@pytest.mark.parametrize("says", [None, kms_core.UnavailableError("lost")], ids=["done", "lost"])
@pytest.mark.parametrize("at", ["now", "a revision"])
def test_deletion_that_never_happened_of_what_was_rewrapped_meanwhile(
    key_file: Path, open_with: Open, says: Exception | None, at: str
) -> None:
    storage = Beaten(says)
    kms = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    dek = kms.create_dek("a")
    rotate(key_file)
    rival = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    storage.rival = lambda: rival.rewrap_dek("a")
    with pytest.raises(kms_core.UnavailableError):
        kms.delete_dek("a", revision=kms.describe_dek("a").revision if at != "now" else None)
    assert rival.get_dek("a") == dek


@pytest.mark.parametrize("missing", [True, False])
def test_deletion_that_nobody_may_look_at(
    kek: FaultyKek, open_with: Open, *, missing: bool
) -> None:
    class Hides(SaysYes):
        denies = False

        @hookimpl
        def load_record(self, dek_id: str) -> StoredRecord:
            if self.denies:
                raise kms_core.AccessDeniedError("no", maybe_missing=missing)
            self.denies = True
            return super().load_record(dek_id)

    kms = open_with(kek, Hides(MemoryStorage.Config()))
    kms.create_dek("a")
    if missing:  # as the store says it of what is not there
        kms.delete_dek("a")
    else:
        with pytest.raises(kms_core.UnavailableError):
            kms.delete_dek("a")


def test_deletion_of_what_was_made_again_meanwhile(kek: FaultyKek, open_with: Open) -> None:
    storage = Beaten(None)
    kms = open_with(kek, storage)
    kms.create_dek("a")
    document = json.loads(storage._records["a"].data) | {"created": "2999-12-31T23:59:59Z"}
    again = StoredRecord(json.dumps(document).encode(), "another")
    storage.rival = lambda: storage._records.update(a=again)
    kms.delete_dek("a")
    assert storage._records["a"] == again


def test_rewrap_keeps_the_dek(kms: Kms, rotated: Kms) -> None:
    dek = kms.create_dek("a")
    before = rotated.describe_dek("a")
    assert rotated.rewrap_dek("a")
    after = rotated.describe_dek("a")
    assert (before.kek_version, after.kek_version) == ("1", "2")
    assert replace(after, kek_version="1", revision=before.revision) == before
    assert rotated.get_dek("a") == kms.get_dek("a") == dek


def test_rewrap_that_would_change_nothing_writes_nothing(kms: Kms, rotated: Kms) -> None:
    kms.create_dek("a")
    assert rotated.rewrap_dek("a")
    before = rotated.describe_dek("a")
    assert not rotated.rewrap_dek("a")
    assert rotated.describe_dek("a") == before


def test_rewrap_does_not_store_what_does_not_unwrap(
    kms: Kms, kek: FaultyKek, key_file: Path, storage: FaultyStorage, open_with: Open
) -> None:
    dek = kms.create_dek("a")
    before = kms.describe_dek("a")
    rotate(key_file)
    broken = FaultyKek(LocalKek.Config(key_file=key_file))
    broken.alter_wrapped = lambda wrapped: replace(wrapped, ciphertext=wrapped.ciphertext[:-1])
    with pytest.raises(kms_core.UnavailableError, match="does not unwrap, so it was not used"):
        open_with(broken, storage).rewrap_dek("a")
    assert kms.describe_dek("a") == before
    assert kms.get_dek("a") == dek


def test_rewrap_of_an_altered_record_is_refused(
    kms: Kms, rotated: Kms, storage: FaultyStorage
) -> None:
    kms.create_dek("a")
    stored = storage._records["a"]
    altered = stored.data.replace(b'"size":32', b'"size":33')
    storage._records["a"] = replace(stored, data=altered)
    with pytest.raises(kms_core.UnwrapError):
        rotated.rewrap_dek("a")
    assert storage._records["a"].data == altered


def test_rewrap_reads_again_what_others_changed(key_file: Path, open_with: Open) -> None:
    storage = LosesAnswers()
    old = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    dek = old.create_dek("a")
    rotate(key_file)
    kms, rival = (
        open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage) for _ in range(2)
    )
    storage.before_replace.append(lambda: rival.rewrap_dek("a"))
    assert not kms.rewrap_dek("a")  # the rival has done it
    assert kms.get_dek("a") == dek

    storage.create_record("b", storage._records["a"].data)  # any; it is deleted meanwhile
    storage._records["b"] = storage._records["a"]
    with pytest.raises(kms_core.RecordError):
        kms.rewrap_dek("b")


def test_rewrap_of_what_is_deleted_meanwhile_brings_nothing_back(
    key_file: Path, open_with: Open
) -> None:
    storage = LosesAnswers()
    kek = LocalKek(LocalKek.Config(key_file=key_file))
    old = open_with(kek, storage)
    old.create_dek("a")
    rotate(key_file)
    kms = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    storage.before_replace.append(lambda: old.delete_dek("a"))
    with pytest.raises(kms_core.DekNotFoundError):
        kms.rewrap_dek("a")
    assert list(kms.list_dek_ids()) == []


def test_rewrap_whose_answer_was_lost(key_file: Path, open_with: Open) -> None:
    storage = LosesAnswers()
    dek = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage).create_dek("a")
    rotate(key_file)
    kms = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    storage.after += [kms_core.UnavailableError("the answer was lost")]
    assert kms.rewrap_dek("a")
    assert kms.describe_dek("a").kek_version == "2"
    rotate(key_file)
    newer = open_with(LocalKek(LocalKek.Config(key_file=key_file)), storage)
    storage.before_replace.append(Raising(kms_core.UnavailableError("it is away")))
    with pytest.raises(kms_core.UnavailableError, match="it is away"):
        newer.rewrap_dek("a")
    assert newer.get_dek("a") == dek


class Reencrypting(FaultyKek):
    """Has the KMS wrap again, and tells which version did only when asked for it."""

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        dek = LocalKek.unwrap_dek(self, wrapped, context)
        if wrapped.kek_version == self._keys.file.newest:
            return wrapped
        return LocalKek.wrap_dek(self, dek, context)


def test_rewrap_inside_the_kms(kms: Kms, key_file: Path, storage: Any, open_with: Open) -> None:
    dek = kms.create_dek("a")
    rotate(key_file)
    kek = Reencrypting(LocalKek.Config(key_file=key_file))
    inside = open_with(kek, storage)
    kek.alter_dek = lambda dek: pytest.fail("the DEK was here")
    assert inside.rewrap_dek("a", verify="kms")
    before = inside.describe_dek("a")
    assert not inside.rewrap_dek("a", verify="kms")
    assert inside.describe_dek("a") == before
    kek.alter_dek = lambda dek: dek
    assert inside.get_dek("a") == dek


def test_inside_a_kms_only_the_first_kek_wraps_again(tmp_path: Path, key_file: Path) -> None:
    """With one KEK the cure is to configure the other too: then that is no cure."""
    other = write_private(tmp_path / "other.toml", new_key_file())
    keks: list[Any] = [
        bind("kms://local", Reencrypting(LocalKek.Config(key_file=path)), "kms-core test")
        for path in (key_file, other)
    ]
    store: Any = bind("storage://memory", FaultyStorage(), "kms-core test")
    Kms(StoredDeks(Keyset(keks[1:]), store), ExitStack()).create_dek("a")
    with pytest.raises(kms_core.KekNotFoundError, match="rewrap it with verify=unwrap") as caught:
        Kms(StoredDeks(Keyset(keks), store), ExitStack()).rewrap_dek("a", verify="kms")
    assert caught.value.dek_id == "a"
    with pytest.raises(kms_core.KekNotFoundError, match="configure the KEK that wrapped it"):
        Kms(StoredDeks(Keyset(keks[:1]), store), ExitStack()).rewrap_dek("a", verify="kms")


def test_rewrap_inside_a_kms_that_cannot(kms: Kms, rotated: Kms) -> None:
    kms.create_dek("a")
    with pytest.raises(kms_core.ConfigError, match="rewrap with verify=unwrap"):
        rotated.rewrap_dek("a", verify="kms")


def test_derived_deks_have_no_records() -> None:
    zeros = "A" * 43 + "="
    with kms_core.open_kms(f"kms://cluster-kms?key={zeros}&salt={zeros}") as kms:
        for call in (kms.describe_dek, kms.delete_dek, kms.rewrap_dek):
            with pytest.raises(kms_core.ConfigError, match="derives its DEKs"):
                call("a")
        with pytest.raises(kms_core.ConfigError, match="derives its DEKs"):
            kms.rewrap_deks()
