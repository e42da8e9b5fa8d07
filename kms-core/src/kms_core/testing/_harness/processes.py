"""What only processes show: that one of many wins, and that a fork shares no connection."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from kms_core._opening import open_kms
from kms_core.kms import Kms
from kms_core.testing._harness.client import expect

Source: TypeAlias = str | Mapping[str, Any]
"""A URI, or a mapping with ``backend`` that JSON can hold."""

_PATIENCE = 600  # seconds after which a child that mixes up its parent's connection is given up


def assert_one_winner(
    kek: Source, storage: Source, *, processes: int = 16, ids: int = 20, around: str = ""
) -> list[Any]:
    """Let processes ask for the same new DEKs at once: each has to get the one that is stored.

    Each opens the backends for itself. They fork from a program that has imported the backends and
    opened nothing, so that they start at the same moment. The records stay.

    Args:
        kek: a KEK that each process can open.
        storage: a storage that all processes share; it may be in use.
        processes: how many.
        ids: for how many ids, one after the other.
        around: ``MODULE:FUNCTION`` of a context manager that each process enters before it opens
            anything, such as one that notes what it calls.

    Returns:
        What these context managers yielded, as it was when they had ended, through JSON.

    Raises:
        AssertionError: somebody got another DEK, none, or a process failed.
    """
    names = [f"race-{token_hex(4)}-{number}" for number in range(ids)]
    plan = {"sources": (kek, storage), "ids": names, "processes": processes, "around": around}
    answers = _race(plan)
    with open_kms(kek, storage) as kms:
        stored = {name: sha256(kms.get_dek(name, create=False)).hexdigest() for name in names}
    expect("create_record: how many different DEKs", ids, len({*stored.values()}))
    for answer in answers:
        expect("create_record by many processes: the DEKs that one got", stored, answer["deks"])
    return [answer["noted"] for answer in answers]


def _race(plan: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "kms_core.testing._harness.racer"],
            input=json.dumps({**plan, "folder": folder}),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
            check=False,
        )
        clause = "every hook in many processes: the exit code (see standard error)"
        expect(clause, 0, done.returncode)
        return [json.loads(path.read_text()) for path in Path(folder).iterdir()]


def assert_forks_share_no_connection(kek: Source, storage: Source, *, children: int = 4) -> None:
    """Fork from a process that has the backends open: all of them have to get right DEKs at once.

    A connection that two processes share mixes up their answers. The records stay.

    Raises:
        AssertionError: one of them got a wrong DEK, an error, or no answer.
    """
    names = [f"fork-{token_hex(4)}-{number}" for number in range(2 * children)]
    with open_kms(kek, storage) as kms:
        deks = {name: kms.get_dek(name, create=True) for name in names}
        started = [_fork(kms, deks, first) for first in names[:children]]
        right = _are_right(kms, deks, names)
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in started]
    expect("every hook after a fork: whether the parent gets its DEKs", expected=True, seen=right)
    clause = "every hook in a forked child: exit codes (see standard error)"
    expect(clause, [0] * children, ended)


def _fork(kms: Kms, deks: Mapping[str, bytes], first: str) -> int:
    child = os.fork()
    if child:
        return child
    signal.alarm(_PATIENCE)
    wrong = True
    try:
        wrong = not _are_right(kms, deks, [first, *deks, *reversed([*deks])])
    finally:
        os._exit(wrong)


def _are_right(kms: Kms, deks: Mapping[str, bytes], names: Sequence[str]) -> bool:
    try:
        wrong = {name for name in [*names] * 3 if kms.get_dek(name, create=False) != deks[name]}
        told = f"wrong DEKs of {wrong}" if wrong else ""
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is told
        told = f"{type(error).__name__}: {error}"
    if told:
        os.write(2, f"process {os.getpid()}: {told}\n".encode())  # for who looks at a failure
    return not told
