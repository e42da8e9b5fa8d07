"""Files: durable, private, inside their folder, and never mistaken for one another."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kms_core
from kms_core.builtin.file import disk
from kms_core.builtin.file.disk import lock_file
from kms_core.builtin.file.names import encode_name
from kms_core.builtin.file.storage import FileStorage

dek_ids = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda text: len(text.encode()) <= 255
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deks"


@pytest.fixture
def storage(folder: Path) -> FileStorage:
    return FileStorage(FileStorage.Config(path=folder, create_folder=True))


@given(st.lists(dek_ids, unique=True))
def test_names_are_distinct_even_when_case_is_lost(ids: list[str]) -> None:
    assert len({encode_name(i).casefold() for i in ids}) == len(ids)


@given(dek_ids)
def test_names_stay_inside_the_folder_and_fit(dek_id: str) -> None:
    for component in encode_name(dek_id).split("/"):
        assert component.startswith("dek-")
        assert len(component) <= 255
        assert component.isascii()


def test_ids_come_back_from_their_names(storage: FileStorage) -> None:
    ids = {"../../x", "CON", "con", "a/b", "a", "A", "%41", "é", "e\u0301", "日" * 85, "x" * 255}
    for dek_id in ids:
        storage.create_record(dek_id, dek_id.encode())
    assert sorted(storage.list_dek_ids("")) == sorted(ids)
    for dek_id in ids:
        assert storage.load_record(dek_id).data == dek_id.encode()


def test_modes_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        storage = FileStorage(FileStorage.Config(path=tmp_path / "new/deks", create_folder=True))
        revision = storage.create_record("x" * 255, b"1")
        storage.replace_record("x" * 255, b"2", revision)
    finally:
        os.umask(before)
    for path in (tmp_path / "new").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_what_is_not_a_record_is_not_listed(storage: FileStorage, folder: Path) -> None:
    storage.create_record("a", b"1")
    for name in (
        ".tmp-0123",
        "README",
        "dek-",
        "dek-b.json~",
        "dek-B.json",
        "dek-%zz.json",
        "dek-%ff.json",
        "dek-e+",
    ):
        (folder / name).write_text("x")
    (folder / "dek-c.json").mkdir()
    (folder / "dek-d+").mkdir()
    assert list(storage.list_dek_ids("")) == ["a"]


def test_no_temporary_file_is_left(storage: FileStorage, folder: Path) -> None:
    revision = storage.create_record("a", b"1")
    with pytest.raises(kms_core.DekExistsError):
        storage.create_record("a", b"2")
    storage.replace_record("a", b"3", revision)
    with pytest.raises(kms_core.ConflictError):
        storage.replace_record("a", b"4", revision)
    assert sorted(p.name for p in folder.iterdir()) == ["dek-a.json"]


def test_a_record_is_locked_and_no_other(storage: FileStorage, folder: Path) -> None:
    """With one lock for all, each of a rewrap's threads waited for the disk of all others."""
    revisions = {dek_id: storage.create_record(dek_id, b"1") for dek_id in ("a", "b")}
    with lock_file(folder / "dek-a.json", os.O_RDONLY):
        storage.replace_record("b", b"2", revisions["b"])
        waiting = Thread(target=storage.replace_record, args=["a", b"2", revisions["a"]])
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join()
    assert [storage.load_record(dek_id).data for dek_id in ("a", "b")] == [b"2", b"2"]


def test_a_record_that_its_owner_may_only_read(storage: FileStorage, folder: Path) -> None:
    """As some backups bring it back."""
    revision = storage.create_record("a", b"1")
    (folder / "dek-a.json").chmod(0o400)
    storage.delete_record("a", storage.replace_record("a", b"2", revision))
    with pytest.raises(kms_core.DekNotFoundError):
        storage.delete_record("a", revision)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the calls that decide what a power failure leaves."""
    calls: list[str] = []

    def record(name: str, owner: Any, attribute: str) -> None:
        original = getattr(owner, attribute)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, attribute, call)

    record("fsync", os, "fsync")
    record("link", os, "link")
    record("unlink", Path, "unlink")
    record("replace", Path, "replace")
    return calls


def test_a_create_is_synchronised_before_and_after_it_gets_its_name(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(monkeypatch)
    storage.create_record("a", b"1")
    assert calls == ["fsync", "link", "fsync", "unlink"]


def test_the_folders_of_a_long_id_are_synchronised_even_if_they_were_there(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for last in "ab":
        calls = recorded(monkeypatch)
        storage.create_record("x" * 254 + last, b"1")
        assert calls[:3] == ["fsync", "fsync", "link"], "the folder's name, the file"
        monkeypatch.undo()


def test_a_replace_is_synchronised(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = storage.create_record("a", b"1")
    calls = recorded(monkeypatch)
    storage.replace_record("a", b"2", revision)
    assert calls == ["fsync", "replace", "fsync"]


def test_a_reader_makes_durable_what_its_writer_has_not_yet(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.create_record("a", b"1")
    calls = recorded(monkeypatch)
    storage.load_record("a")
    assert calls == []
    (folder / ".tmp-writer-still-at-work").hardlink_to(folder / "dek-a.json")
    calls.clear()
    storage.load_record("a")
    assert calls == ["fsync"]


def test_a_hard_linked_backup_costs_one_synchronisation(
    storage: FileStorage, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.create_record("a", b"1")
    (tmp_path / "backup-of-a").hardlink_to(folder / "dek-a.json")
    calls = recorded(monkeypatch)
    for _ in range(3):
        storage.load_record("a")
    assert calls == ["fsync"]
    (folder / ".tmp-of-another-record").hardlink_to(folder / "dek-a.json")
    storage.load_record("a")
    assert calls[-1] == "fsync", "its names have changed since"


def test_a_folder_that_cannot_be_synchronised(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync_folder", fail)
        with pytest.raises(kms_core.UnavailableError):
            storage.create_record("a", b"1")
    assert (folder / "dek-a.json").stat().st_nlink == 2, "readers must see that it may be lost"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EACCES, kms_core.AccessDeniedError),
        (errno.EROFS, kms_core.AccessDeniedError),
        (errno.ENOSPC, kms_core.UnavailableError),
        (errno.EIO, kms_core.UnavailableError),
    ],
)
def test_errors_of_the_system_are_explained(
    storage: FileStorage,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    kind: type[kms_core.OperationError],
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(code, os.strerror(code), str(folder))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=f"{folder}: {os.strerror(code)}; ") as caught:
        storage.create_record("a", b"1")
    assert isinstance(caught.value.__cause__, OSError)
    assert list(folder.iterdir()) == []


def test_a_symbolic_link_is_not_followed(storage: FileStorage, folder: Path) -> None:
    (folder / "elsewhere").write_text("x")
    (folder / "dek-a.json").symlink_to(folder / "elsewhere")
    with pytest.raises(kms_core.AccessDeniedError, match="symbolic link"):
        storage.load_record("a")
    with pytest.raises(kms_core.DekExistsError):
        storage.create_record("a", b"1")


def test_a_folder_of_a_long_id_that_is_a_link_is_not_followed(
    storage: FileStorage, folder: Path, tmp_path: Path
) -> None:
    storage.create_record("x" * 255, b"1")
    [below] = [path for path in folder.iterdir() if path.is_dir()]
    below.rename(tmp_path / "elsewhere")
    below.symlink_to(tmp_path / "elsewhere")
    for call in (storage.load_record, partial(storage.create_record, data=b"1")):
        with pytest.raises(kms_core.AccessDeniedError, match="symbolic link"):
            call("x" * 255)


def test_a_second_fsync_after_a_failure_is_not_believed(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux tells a failure once: the second call says that all is well."""
    fsync, failures = os.fsync, [False, True]  # the file's is well, and the folder's is not

    def fail_once(descriptor: int) -> None:
        fsync(descriptor)
        if failures and failures.pop(0):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(kms_core.UnavailableError, match="start this program again"):
        storage.create_record("a", b"1")
    with pytest.raises(kms_core.UnavailableError, match="start this program again"):
        storage.load_record("a")
    with pytest.raises(kms_core.UnavailableError, match="start this program again"):
        storage.create_record("b", b"1")


def test_a_folder_that_vanished_is_not_an_empty_store(storage: FileStorage, folder: Path) -> None:
    folder.rmdir()
    for call in (storage.load_record, partial(storage.create_record, data=b"1")):
        for dek_id in ("a", "x" * 255):
            with pytest.raises(kms_core.OperationError, match="mount the disk") as caught:
                call(dek_id)
            assert type(caught.value) is kms_core.OperationError
    with pytest.raises(kms_core.OperationError, match="mount the disk"):
        list(storage.list_dek_ids(""))
    assert not folder.exists()


def test_a_folder_in_place_of_a_record_leaks_no_descriptor(
    storage: FileStorage, folder: Path
) -> None:
    (folder / encode_name("a")).mkdir()
    open_files = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(kms_core.OperationError, match="move it away") as caught:
            storage.load_record("a")
        assert not caught.value.retryable
    assert len(list(Path("/dev/fd").iterdir())) <= open_files, "others' may be closed meanwhile"


def test_a_link_whose_answer_was_lost(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS: the server linked, its answer was lost, and the second try says it exists."""
    link = os.link

    def link_twice(*paths: Path) -> None:
        link(*paths)
        link(*paths)

    monkeypatch.setattr("os.link", link_twice)
    storage.create_record("a", b"1")
    assert storage.load_record("a").data == b"1"
    assert [path.name for path in folder.iterdir()] == [encode_name("a")]


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK])
def test_a_file_system_that_cannot_link(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_paths: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(kms_core.OperationError, match="file system") as caught:
        storage.create_record("a", b"1")
    assert not caught.value.retryable


def test_a_file_in_place_of_the_folder(folder: Path) -> None:
    folder.touch()
    with pytest.raises(kms_core.OperationError, match="move it away"):
        FileStorage(FileStorage.Config(path=folder, create_folder=True))
