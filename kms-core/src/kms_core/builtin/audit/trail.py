"""Where lines go: to a file that several processes share, or to standard error."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from kms_core.builtin.audit.chain import MAX_LINE_SIZE, Head, Sealer, read_line
from kms_core.builtin.file.disk import lock_file, open_file, sync_folder, translate_os_errors

_NOTE_SIZE = 128
_NOTE = re.compile(r"(\S+) (\d{1,18}) *\n")


class Trail(Protocol):
    """Takes lines."""

    def append(self, fields: Mapping[str, object]) -> None:
        """Write one line."""


class StandardError:
    """A chain of this process alone."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer, self._head = sealer, Head.of_new_chain()

    def append(self, fields: Mapping[str, object]) -> None:
        """Write one line."""
        line, head = self._sealer.write_line(fields, self._head)
        sys.stderr.write(line.decode())
        sys.stderr.flush()
        self._head = head


class TrailFile:
    """A file with one chain, to which all processes append.

    The head is noted in a file beside it, ``PATH.head``, whose lock each writer holds meanwhile. So
    lines have one order, and whoever drops those of one process breaks the chain. The file is
    opened anew for each line: once logrotate has renamed it, the chain goes on in a new one.

    Args:
        path: the file; it is made, of mode 0600, if it is not there.
        sealer: makes the hashes.
        fsync: whether each line is to survive a power failure.

    Raises:
        OperationError: it cannot be opened.
    """

    def __init__(self, path: Path, sealer: Sealer, *, fsync: bool) -> None:
        self._path, self._sealer, self._fsync = path, sealer, fsync
        self._head_path = path.with_name(f"{path.name}.head")
        with translate_os_errors(path), lock_file(self._head_path), self._opened():
            pass  # what is wrong is told now, and not when there is something to write

    def append(self, fields: Mapping[str, object]) -> None:
        """Write one line.

        Raises:
            OperationError: it may not have been written.
        """
        with translate_os_errors(self._path), lock_file(self._head_path) as note:
            with self._opened() as file:
                start, head = _find_end(file, note)
                line, head = self._sealer.write_line(fields, head)
                self._write(file, start + line)
                size = os.fstat(file).st_size
            os.pwrite(note, f"{head} {size}".ljust(_NOTE_SIZE - 1).encode() + b"\n", 0)

    def _opened(self) -> AbstractContextManager[int]:
        return open_file(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)

    def _write(self, file: int, data: bytes) -> None:
        is_new = os.fstat(file).st_size == 0
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        if self._fsync:
            os.fsync(file)
            if is_new:
                sync_folder(self._path.parent)


def _find_end(file: int, note: int) -> tuple[bytes, Head]:
    """What the next line begins with, and the head that it follows."""
    noted, size = _read_note(note)
    now = os.fstat(file).st_size
    if noted is not None and size == now:
        return b"", noted
    # Rotated, or its writer died before it noted what it wrote, or in the middle of that.
    tail = os.pread(file, MAX_LINE_SIZE, max(0, now - MAX_LINE_SIZE))
    last = _last_head(tail)
    start = b"" if tail.endswith(b"\n") or not tail else b"\n"
    if noted is None:
        return start, last or Head.of_new_chain()
    is_newer = last is not None and last.chain == noted.chain and last.number > noted.number
    return start, last if last is not None and is_newer else noted


def _read_note(note: int) -> tuple[Head | None, int]:
    found = _NOTE.fullmatch(os.pread(note, _NOTE_SIZE, 0).decode("ascii", "replace"))
    if found is None:
        return None, 0
    try:
        return Head.parse(found[1]), int(found[2])
    except ValueError:
        return None, 0


def _last_head(tail: bytes) -> Head | None:
    for data in reversed(tail.splitlines(keepends=True)):
        line = read_line(data)
        if line is not None:
            return line.head
    return None
