"""Reads a file that holds a secret, unless others may read or change it.

Whoever can change a secret chooses the key, so its owner and its folder count as much as its mode.
Root may let others read: it is how Kubernetes (0440, 0640 or 0644, of root and a group), systemd
(0400 or 0440, of root, with an access control list) and Docker (0444, of root) hand out secrets.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from kms_core.errors import AccessDeniedError

_LIMIT = 2**20
_ROOT = 0
_WRITERS = stat.S_IWGRP | stat.S_IWOTH


def read_secret_file(path: Path, *, public: bool = False) -> bytes:
    """Read a regular file of at most 1 MiB that belongs to this process's user or to root.

    Nobody else may write it or replace it in its folder. Others may read it only if root lets
    them: through its group, by mode 0444, or by a mount that is read-only.

    Args:
        path: the file.
        public: anybody may read it; it is only to be the right one.

    Raises:
        AccessDeniedError: others may read or change it, or it is no such file; says what to run.
        OSError: it is not there, or cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        problem = next(_problems(path, file.fileno(), public=public), None)
        content = b"" if problem else file.read(_LIMIT + 1)
    if problem or len(content) > _LIMIT:
        raise AccessDeniedError(problem or f"{str(path)!r} has more than {_LIMIT} bytes")
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # or a pipe would wait for its writer


def _problems(path: Path, descriptor: int, *, public: bool) -> Iterator[str]:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        yield f"{str(path)!r} is no regular file; write the secret into one"
    yield from _owner_problem(path, status, "change it")
    read_only = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
    mode = stat.S_IMODE(status.st_mode)
    if mode & _forbidden(status, may_be_read=public or read_only):
        deed = "change" if mode & _WRITERS else "read"
        cure = _mode_cure(path, status, read_only=read_only)
        yield f"{str(path)!r} has mode {mode:04o}, so others may {deed} it; {cure}"
    for folder in dict.fromkeys((path.absolute().parent, path.resolve().parent)):
        yield from _folder_problem(folder)


def _forbidden(status: os.stat_result, *, may_be_read: bool) -> int:
    """The bits of the mode that must not be set."""
    if may_be_read or (status.st_uid == _ROOT and not status.st_mode & 0o222):
        return _WRITERS
    if status.st_uid == _ROOT:
        return _WRITERS | stat.S_IRWXO
    return stat.S_IRWXG | stat.S_IRWXO


def _mode_cure(path: Path, status: os.stat_result, *, read_only: bool) -> str:
    name = shlex.quote(str(path))
    if read_only:
        return "give it mode 0440 where it is mounted from"
    if status.st_uid == os.geteuid():
        return f"run: chmod 600 {name}"
    return f"run: sudo chgrp {os.getegid()} {name} && sudo chmod 640 {name}"


def _owner_problem(path: Path, status: os.stat_result, deed: str) -> Iterator[str]:
    user = os.geteuid()
    if status.st_uid not in {_ROOT, user}:
        yield (
            f"{str(path)!r} belongs to user {status.st_uid}, who may {deed}; "
            f"run: sudo chown {user} {shlex.quote(str(path))}"
        )


def _folder_problem(folder: Path) -> Iterator[str]:
    """Whoever may write a folder may put another file in place of one, unless it is sticky."""
    status = folder.stat()
    yield from _owner_problem(folder, status, "replace the secret in it")
    writers = status.st_mode & _WRITERS
    if status.st_gid in {_ROOT, _private_group()}:
        writers &= ~stat.S_IWGRP
    if writers and not status.st_mode & stat.S_ISVTX:
        sudo = "" if status.st_uid == os.geteuid() else "sudo "
        yield (
            f"{str(folder)!r} has mode {stat.S_IMODE(status.st_mode):04o}, so others may replace "
            f"the secret in it; run: {sudo}chmod go-w {shlex.quote(str(folder))}"
        )


def _private_group() -> int:
    """The user's own group, which has its number where each user has one; else root's."""
    return os.getegid() if os.getegid() == os.geteuid() else _ROOT
