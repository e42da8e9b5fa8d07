"""Takes note of what a backend leaves where others read it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kms_core.testing._harness.leaks import Text
from kms_core.testing._harness.logs import every_logged_text

_MOST = 1 << 20
"""Bytes that are read of the end of a file."""

_WRITES = os.O_WRONLY | os.O_RDWR
_COMMANDS = {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"}
_NAMES_A_FILE = {"os.rename": 1, "os.link": 1, "sqlite3.connect": 0}
"""Which argument is the file, of the events of https://docs.python.org/3/library/audit_events.html"""


class _Ear:
    """Hears of files and commands. A hook for audits stays for ever, so there is one."""

    def __init__(self) -> None:
        self.is_listening, self.is_there = False, False
        self.files: set[Path] = set()
        self.commands: list[str] = []

    def listen(self) -> None:
        """Forget what was before."""
        if not self.is_there:
            sys.addaudithook(self._hear)
        self.is_listening = self.is_there = True
        self.files, self.commands = set(), []

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.is_listening:
            return
        if event == "open" and args[2] & _WRITES:
            self._note_file(args[0])
        elif event in _NAMES_A_FILE:
            self._note_file(args[_NAMES_A_FILE[event]])
        elif event in _COMMANDS:
            self.commands.append(repr(args))

    def _note_file(self, path: object) -> None:
        if isinstance(path, (str, bytes)):
            self.files.add(Path(os.fsdecode(path)).absolute())


_EAR = _Ear()


@contextmanager
def traces(capsys: pytest.CaptureFixture[str]) -> Iterator[list[Text]]:
    """Yield a list, which after the block has all that it left where others may read it.

    Files are those that Python opens; what a library in C writes by itself is not seen.
    """
    texts: list[Text] = []
    environment = {*os.environ.items()}
    with every_logged_text() as logged, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _EAR.listen()
        try:
            yield texts
        finally:
            _EAR.is_listening = False
    out, err = capsys.readouterr()
    texts += logged
    texts += [("standard output", out), ("standard error", err)]
    texts += [("a warning", str(warning.message)) for warning in warned]
    texts += [("a command that it ran", command) for command in _EAR.commands]
    texts += [("the environment", repr({*os.environ.items()} - environment))]
    for path in _EAR.files:
        with suppress(OSError):  # it is there no more
            texts.append((f"the file {path}", _end_of(path)))


def _end_of(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MOST))
        return file.read().decode("latin-1")
