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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kms_core
from kms_core import Bulk, DekNotFoundError

KILLED = Path(__file__).with_name("killed.py")
ONE = Bulk(concurrency=1)

Where = Mapping[str, Any]
"""What the config says of a KEK or of a storage."""


@dataclass
class Row:
    """What was seen of an operation that was killed at each boundary.

    Attributes:
        kills: how many processes were killed.
        unreadable: DEKs that could not be read, or were others, after a kill.
        unfinished: DEKs that were not as they should be after the operation was run once more.
    """

    kills: int = 0
    unreadable: int = 0
    unfinished: int = 0


def start(boundary: int, operation: str, *where: Where) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(KILLED), str(boundary), operation, *map(json.dumps, where)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def was_killed(process: subprocess.Popen[bytes]) -> bool:
    """Whether it was killed; it must have ended well if not."""
    _, errors = process.communicate(timeout=240)
    assert process.returncode in {0, -signal.SIGKILL}, errors.decode()
    return process.returncode != 0


def kill_at_each_boundary(
    operation: str, kek: Where, storage: Where, rotate: Callable[[], object], step: int = 1
) -> Row:
    """Start the operation again and again, and kill it one boundary later each time."""
    row, boundary = Row(), 1
    while True:
        deks = prepare(kek, storage, rotate)
        if not was_killed(start(boundary, operation, kek, storage)):
            return row
        row.kills += 1
        look(row, operation, kek, storage, deks)
        boundary += step


def prepare(kek: Where, storage: Where, rotate: Callable[[], object]) -> dict[str, bytes]:
    """Two DEKs, wrapped before the KEK was rotated."""
    with kms_core.open_kms(kek, storage) as kms:
        for dek_id in list(kms.list_dek_ids()):
            kms.delete_dek(dek_id)
        deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}
    rotate()
    return deks


def look(row: Row, operation: str, kek: Where, storage: Where, deks: dict[str, bytes]) -> None:
    """Read each DEK; then run the operation again, to its end."""
    with kms_core.open_kms(kek, storage) as kms:
        for dek_id, dek in deks.items():
            try:
                row.unreadable += kms.get_dek(dek_id) != dek
            except DekNotFoundError:
                row.unreadable += operation != "delete"
        if operation == "rewrap":
            list(kms.rewrap_deks(bulk=ONE))
            rest = [o for o in kms.rewrap_deks(bulk=ONE, dry_run=True) if o.outcome != "unchanged"]
            row.unfinished += len(rest)
            row.unreadable += sum(kms.get_dek(dek_id) != dek for dek_id, dek in deks.items())
