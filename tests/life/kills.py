"""Kills a process at each boundary, and looks at what is stored: for the page on interruptions.

A boundary is the begin or the end of a hook's call, or a request on the wire: before the service
has it, or after it has done it and before the answer.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kms_core
from kms_core import Bulk, DekNotFoundError, Kms
from kms_core.builtin.local.key_file import new_key_file
from tests.life.killed import restore
from tests.secret_files import write_private

KILLED = Path(__file__).with_name("killed.py")
ONE = Bulk(concurrency=1)
OPERATIONS = ("rewrap", "migrate", "import", "delete")

Pair = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What the config says of a KEK and of a storage."""


@dataclass
class Row:
    """What was seen of an operation that was killed at each boundary.

    Attributes:
        kills: how many processes were killed.
        unreadable: DEKs that could not be read, or were others, after a kill or after the operation
            was run once more, to its end.
        unfinished: DEKs that were not as they should be after that.
    """

    kills: int = 0
    unreadable: int = 0
    unfinished: int = 0


@dataclass
class Scene:
    """An operation on two DEKs.

    Attributes:
        operation: its name.
        pair: where they are wrapped again or deleted, or where they arrive.
        rotate: adds a version to the KEK.
        folder: for what they are moved from.
    """

    operation: str
    pair: Pair
    rotate: Callable[[], object]
    folder: Path
    deks: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        key_file = write_private(self.folder / "source.toml", new_key_file())
        place = str(self.folder / "source")
        self.source: Pair = (
            {"backend": "local", "keyFile": str(key_file)},
            {"backend": "file", "path": place, "createFolder": True},
        )
        self.archive = self.folder / "archive"
        if self.is_move:
            self._make(self.source)
            with kms_core.open_kms(*self.source) as kms, self.archive.open("wb") as file:
                list(kms.export_deks(file, bulk=ONE))

    @property
    def is_move(self) -> bool:
        return self.operation in {"migrate", "import"}

    def start(self, boundary: int) -> subprocess.Popen[bytes]:
        """Begin the operation in a process that kills itself at the boundary; 0 for never."""
        with kms_core.open_kms(*self.pair) as kms:
            for dek_id in list(kms.list_dek_ids()):
                kms.delete_dek(dek_id)
        if not self.is_move:
            self._make(self.pair)
            self.rotate()
        command = [sys.executable, str(KILLED), str(boundary), self.operation]
        places = map(json.dumps, self._places())
        return subprocess.Popen([*command, *places], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def look(self, row: Row) -> None:
        """Read each DEK; then do the operation again, to its end, and read each once more."""
        row.kills += 1
        with kms_core.open_kms(*self.pair) as kms:
            self._read(row, kms)
            if self.operation != "delete":
                self._finish(row, kms)
                self._read(row, kms)

    def _make(self, pair: Pair) -> None:
        with kms_core.open_kms(*pair) as kms:
            self.deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}

    def _places(self) -> list[Any]:
        if self.operation == "migrate":
            return [self.source, self.pair]
        if self.operation == "import":
            return [str(self.archive), self.source[0], self.pair]
        return [self.pair]

    def _read(self, row: Row, kms: Kms) -> None:
        """A DEK may be away only where it was deleted, or has not arrived."""
        for dek_id, dek in self.deks.items():
            try:
                row.unreadable += kms.get_dek(dek_id) != dek
            except DekNotFoundError:
                row.unreadable += self.operation == "rewrap"
        if self.operation == "migrate":
            with kms_core.open_kms(*self.source) as source:
                row.unreadable += sum(source.get_dek(i) != dek for i, dek in self.deks.items())

    def _finish(self, row: Row, kms: Kms) -> None:
        if self.operation == "rewrap":
            list(kms.rewrap_deks(bulk=ONE))
            rest = kms.rewrap_deks(bulk=ONE, dry_run=True)
            row.unfinished += sum(outcome.outcome != "unchanged" for outcome in rest)
            return
        if self.operation == "migrate":
            with kms_core.open_kms(*self.source) as source:
                list(source.migrate_deks(kms, bulk=ONE))
        else:
            with kms_core.open_kek(self.source[0]) as source:
                list(restore(str(self.archive), source, kms))
        for dek_id, dek in self.deks.items():
            row.unfinished += 1
            with suppress(DekNotFoundError):
                row.unfinished -= kms.get_dek(dek_id) == dek


def was_killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether it was killed; it must have ended well if not."""
    _, errors = process.communicate(timeout=900)
    assert process.returncode in {0, -signal.SIGKILL}, errors.decode()
    return process.returncode != 0
