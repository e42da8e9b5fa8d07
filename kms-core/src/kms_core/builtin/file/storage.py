"""``storage://file``: a file for each record, in a folder of this machine.

Safe for many processes on one machine, and durable. Needs a POSIX file system with hard links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kms_core import ConfigError, ConflictError, DekExistsError, DekNotFoundError, StorageInfo
from kms_core.backend import (
    MAX_RECORD_SIZE,
    BackendConfig,
    StorageSpec,
    StoredRecord,
    hookimpl,
)
from kms_core.builtin.file.disk import (
    lock_named,
    make_folder,
    publish_new,
    publish_over,
    read_published,
    refuse_links,
    sync_folder,
    translate_os_errors,
    write_temporary,
)
from kms_core.builtin.file.names import encode_name, walk_names


class FileStorage(StorageSpec):
    """Records as files of mode 0600 in folders of mode 0700."""

    class Config(BackendConfig):
        """Where the records are.

        Attributes:
            path: the folder.
            create_folder: create the folder when the storage is opened, if it is missing.
        """

        path: Path
        create_folder: bool = False

    def __init__(self, config: Config) -> None:
        self._folder = config.path.absolute()
        self._durable: set[tuple[str, int, int]] = set()
        with translate_os_errors():
            if config.create_folder:
                make_folder(self._folder)
            elif not self._folder.is_dir():
                raise ConfigError(
                    f"there is no folder {str(self._folder)!r}; mount the disk that it is on, "
                    "correct path, or set createFolder=true to create it"
                )

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        with translate_os_errors():
            return self._load(dek_id)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        with translate_os_errors():
            path = self._path(dek_id)
            self._make_folders(path)
            try:
                publish_new(write_temporary(self._folder, data), path)
            except FileExistsError:
                raise DekExistsError from None
        return _revision(data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        with self._checked(dek_id, revision) as path:
            publish_over(write_temporary(self._folder, data), path)
        return _revision(data)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        with self._checked(dek_id, revision) as path:
            path.unlink()
            sync_folder(path.parent)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        with translate_os_errors():
            yield from (i for i in walk_names(str(self._folder)) if i.startswith(prefix))

    @hookimpl
    def count_old_records(self, prefix: str) -> int:  # noqa: ARG002 -- of no prefix are there any
        with translate_os_errors():
            next(walk_names(str(self._folder)), None)  # or it could not tell
        return 0  # what is replaced or deleted is gone, but for backups

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        return StorageInfo(str(self._folder))

    @hookimpl
    def close(self) -> None:
        """Nothing is held open between calls."""

    @contextmanager
    def _checked(self, dek_id: str, revision: str) -> Iterator[Path]:
        """Its path, while it is at ``revision`` and nobody else may replace or delete it."""
        with translate_os_errors(), self._finding(), lock_named(self._path(dek_id)):
            if self._load(dek_id).revision != revision:
                raise ConflictError
            yield self._path(dek_id)

    def _path(self, dek_id: str) -> Path:
        path = self._folder / encode_name(dek_id)
        refuse_links(self._folder, path)
        return path

    def _make_folders(self, path: Path) -> None:
        """The folders of a name too long for one component; each is durable before it is used."""
        for below in reversed(path.relative_to(self._folder).parents[:-1]):
            folder = self._folder / below
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)

    def _load(self, dek_id: str) -> StoredRecord:
        with self._finding():
            data = read_published(self._path(dek_id), MAX_RECORD_SIZE + 1, self._durable)
        return StoredRecord(data, _revision(data))

    @contextmanager
    def _finding(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            self._folder.stat()  # a folder that is gone is not a folder without the record
            raise DekNotFoundError from None


def _revision(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
