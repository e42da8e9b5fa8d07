"""Files that are either there whole, durably, or not there at all (POSIX)."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kms_core import AccessDeniedError, OperationError, UnavailableError

TEMPORARY_PREFIX = ".tmp-"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_READ_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_ERRORS: dict[int | None, tuple[type[OperationError], str]] = {
    errno.EACCES: (AccessDeniedError, "give this user read and write access to it"),
    errno.EPERM: (AccessDeniedError, "use a file system that has hard links and POSIX modes"),
    errno.EROFS: (AccessDeniedError, "mount the file system for writing"),
    errno.ELOOP: (AccessDeniedError, "a symbolic link is not followed; put the file itself there"),
    errno.ENOENT: (OperationError, "create the folder, or mount the disk that it is on"),
    errno.ENAMETOOLONG: (OperationError, "use a shorter name or path"),
    errno.ENOTDIR: (OperationError, "a file stands where a folder should be; move it away"),
    errno.ENOSPC: (UnavailableError, "free some space"),
    errno.EDQUOT: (UnavailableError, "free some space or raise the quota"),
}


@contextmanager
def translate_os_errors() -> Iterator[None]:
    """Turn an error of the operating system into one of ours that says what to do."""
    try:
        yield
    except OSError as error:
        kind, cure = _ERRORS.get(error.errno, (UnavailableError, "check the file system"))
        raise kind(f"{error.filename or 'the folder'}: {error.strerror}; {cure}") from error


def make_folder(path: Path) -> None:
    """Create a folder of mode 0700, and its parents, durably."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in the folder durable, not just the files' contents."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_temporary(folder: Path, data: bytes) -> Path:
    """Write a durable file of mode 0600 under a name that nothing takes for a record."""
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(16)}"
    descriptor = os.open(path, _NEW_FILE, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise
    return path


def publish_new(temporary: Path, path: Path) -> None:
    """Give the temporary file its name, unless the name is taken (FileExistsError)."""
    try:
        os.link(temporary, path)
    except OSError:
        temporary.unlink()
        raise
    sync_folder(path.parent)
    temporary.unlink()  # only now: its second name tells readers that this may not be durable


def publish_over(temporary: Path, path: Path) -> None:
    """Put the temporary file in place of the one that is there."""
    temporary.replace(path)
    sync_folder(path.parent)


def read_published(path: Path, limit: int) -> bytes:
    """Read at most ``limit`` bytes of a published file, once it is durable.

    Whoever returns a record must be sure that it survives a power failure. While a file still
    has its temporary name too, its writer has not synchronised the folder, so the reader does.
    """
    descriptor = os.open(path, _READ_FILE)
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_nlink > 1:
            sync_folder(path.parent)
        return file.read(limit)


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Hold a lock on the file among all threads and processes; it ends with its holder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
