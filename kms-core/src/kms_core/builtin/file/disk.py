"""Files that are either there whole, durably, or not there at all (POSIX)."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kms_core import AccessDeniedError, OperationError, UnavailableError

TEMPORARY_PREFIX = ".tmp-"
_FAILED: set[Path] = set()
"""Folders that this process could not synchronise."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL

_NO_LINKS = "use a file system that has hard links and POSIX modes"
_FILE_IN_THE_WAY = "a file stands where a folder should be; move it away"
_ERRORS: dict[int | None, tuple[type[OperationError], str]] = {
    errno.EIO: (
        UnavailableError,
        "check the disk, which may have lost what was written last, and start this program again",
    ),
    errno.EACCES: (AccessDeniedError, "give this user read and write access to it"),
    errno.EPERM: (AccessDeniedError, _NO_LINKS),
    errno.EOPNOTSUPP: (OperationError, _NO_LINKS),
    errno.ENOSYS: (OperationError, _NO_LINKS),
    errno.EMLINK: (OperationError, _NO_LINKS),
    errno.EXDEV: (OperationError, "keep the whole folder on one file system"),
    errno.EROFS: (AccessDeniedError, "mount the file system for writing"),
    errno.ELOOP: (AccessDeniedError, "a symbolic link is not followed; put the file itself there"),
    errno.ENOENT: (OperationError, "create the folder, or mount the disk that it is on"),
    errno.ENAMETOOLONG: (OperationError, "use a shorter name or path"),
    errno.ENOTDIR: (OperationError, _FILE_IN_THE_WAY),
    errno.EEXIST: (OperationError, _FILE_IN_THE_WAY),
    errno.EBUSY: (OperationError, "it is mounted by itself; change it where it is mounted from"),
    errno.EISDIR: (OperationError, "a folder stands where a file should be; move it away"),
    errno.ENOSPC: (UnavailableError, "free some space"),
    errno.EDQUOT: (UnavailableError, "free some space or raise the quota"),
}


@contextmanager
def translate_os_errors(name: object = "the folder") -> Iterator[None]:
    """Turn an error of the operating system into one of ours that says what to do.

    Args:
        name: what is named where the error names no file.
    """
    try:
        yield
    except OSError as error:
        kind, cure = _ERRORS.get(error.errno, (UnavailableError, "check the file system"))
        raise kind(f"{error.filename or name}: {error.strerror}; {cure}") from error


def make_folder(path: Path) -> None:
    """Create a folder of mode 0700, and its parents, durably."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in the folder durable, not just the files' contents.

    Linux tells a failure once, and from then on that all is well: fsync(2). So after one, nothing
    in the folder is believed to be durable until this process has been started again.
    """
    with open_file(path, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        if path in _FAILED:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno == errno.EIO:
                _FAILED.add(path)
            raise


def refuse_links(folder: Path, path: Path) -> None:
    """Refuse a link among the folders from the store's down to the file: it leads elsewhere."""
    for below in path.relative_to(folder).parents[:-1]:
        if (folder / below).is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder / below))


def write_temporary(folder: Path, data: bytes, like: Path | None = None) -> Path:
    """Write a durable file under a name that nothing takes for a record.

    It has mode 0600, or the owner, mode and access control list of the file that it is like. To
    that belongs one name, and whoever holds a lock on it is alone: what was left there by somebody
    who was killed is removed.
    """
    path = folder / f"{TEMPORARY_PREFIX}{like.name if like else secrets.token_hex(16)}"
    if like is not None:
        path.unlink(missing_ok=True)
    with open_file(path, _NEW_FILE) as descriptor:
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            if like is not None:
                os.fchown(descriptor, like.stat().st_uid, like.stat().st_gid)
                shutil.copystat(like, path)
                os.utime(path)
            os.fsync(descriptor)
        except BaseException:
            path.unlink()
            raise
    return path


@contextmanager
def open_new(path: Path) -> Iterator[BinaryIO]:
    """Write a long file: it has its name once the block has ended well, and then is durable."""
    temporary = write_temporary(path.parent, b"")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    publish_over(temporary, path)


def publish_new(temporary: Path, path: Path) -> None:
    """Give the temporary file its name, unless the name is taken (FileExistsError)."""
    try:
        os.link(temporary, path)
    except OSError:
        # A server whose answer was lost is asked again, and says that the name is taken: open(2).
        if temporary.stat().st_nlink == 1:
            temporary.unlink()
            raise
    sync_folder(path.parent)
    temporary.unlink()  # only now: its second name tells readers that this may not be durable


def publish_over(temporary: Path, path: Path) -> None:
    """Put the temporary file in place of the one that is there."""
    temporary.replace(path)
    sync_folder(path.parent)


def read_published(path: Path, limit: int, durable: set[tuple[str, int, int]]) -> bytes:
    """Read at most ``limit`` bytes of a published file, once it is durable.

    Whoever returns a record must be sure that it survives a power failure. While a file still
    has its temporary name too, its writer has not synchronised the folder, so the reader does;
    and then notes that in ``durable``, since the other name may as well be a backup's, and stay.
    """
    with (
        open_file(path, os.O_RDONLY | os.O_NONBLOCK) as descriptor,
        open(descriptor, "rb", closefd=False) as file,
    ):
        status = os.fstat(descriptor)
        state = (str(path), status.st_ino, status.st_ctime_ns)
        if status.st_nlink > 1 and state not in durable:
            sync_folder(path.parent)
            durable.add(state)
        return file.read(limit)


@contextmanager
def lock_file(path: Path, flags: int = os.O_RDWR | os.O_CREAT) -> Iterator[int]:
    """Hold a lock on the file among all threads and processes; it ends with its holder.

    Yields the descriptor of the file that is locked, which may have lost its name meanwhile.
    """
    with open_file(path, flags) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor


@contextmanager
def lock_named(path: Path) -> Iterator[None]:
    """Hold a lock on the file that has this name, and not on one that was replaced meanwhile."""
    access = os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY  # NFS locks what it may write
    locked = False
    while not locked:
        with lock_file(path, access) as descriptor:
            locked = os.path.samestat(os.fstat(descriptor), path.stat())
            if locked:
                yield


@contextmanager
def open_file(path: Path, flags: int) -> Iterator[int]:
    """Open a file of mode 0600, or a folder, without following a link; yield its descriptor.

    It is closed however the block ends. The list takes it in one step: a signal handler (of a
    time limit, say) may raise between the return of ``os.open`` and an assignment.
    """
    descriptors: list[int] = []
    try:
        descriptors += map(os.open, [path], [flags | os.O_NOFOLLOW], [0o600])
        yield descriptors[0]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
