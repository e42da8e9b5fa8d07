"""Processes that are killed, on a wire that spoils calls: no DEK is lost, none is changed.

And what they saw happen can have happened: each history is linearizable. `nox -s torture` does it
for long.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.liar import Liar
from tests.torture.caller import join, open_bare
from tests.torture.histories import judge, read_histories
from tests.torture.wire import KEPT, run_wire

CALLERS = 64
CHEAPER = 15
"""So many more faults than a cloud each store gets in the long form."""


def torture(plan: dict[str, Any], liar: Liar, faults: int, folder: Path) -> Counter[str]:
    """Let crowds call until there were so many faults, and judge each of their histories."""
    told, started = Counter[str](), sum(os.times()[:4])
    command = [sys.executable, "-m", "tests.torture.crowd", json.dumps(plan)]
    found = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=found
        ) as crowd,
        join(open_bare("kms", plan["kek"]), open_bare("storage", plan["storage"])) as kms,
    ):
        assert crowd.stdin
        assert crowd.stdout
        while liar.told.total() < faults:
            history = folder / f"{told['rounds']}.history"
            print(history, file=crowd.stdin, flush=True)
            killed = crowd.stdout.readline()
            assert killed, "the crowd has ended"
            liar.stopped = True
            told += judge(read_histories(history.read_text().splitlines()), kms)
            told += Counter(rounds=1, kills=int(killed), faults=0)
            liar.stopped = False
            history.unlink()
        crowd.stdin.close()
    seconds = round(sum(os.times()[:4]) - started)
    print(dict(told), f"{liar.told.total()} faults, {seconds} s of CPU", dict(liar.told))  # noqa: T201 -- for who reads the report
    return told


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--seed")
    seed = secrets.randbits(32) if given is None else int(given)
    print(f"--seed {seed}")  # noqa: T201 -- for who looks at a failure
    return seed


@pytest.mark.timeout(7 * 24 * 3600)
@pytest.mark.parametrize("store", ["http", pytest.param("file", marks=pytest.mark.rest)])
def test_killed_callers(
    store: str, request: pytest.FixtureRequest, seed: int, tmp_path: Path, *, long: bool
) -> None:
    with run_wire(seed) as (login, torturer):
        (tmp_path / "deks").mkdir()
        stores = {
            "http": {"backend": "http", "folder": "deks", **login},
            "file": {"backend": "file", "path": str(tmp_path / "deks")},
        }
        kek = {"backend": "http", "keyName": "one", **login}
        plan = {
            "kek": kek,
            "storage": stores[store],
            "processes": CALLERS,
            "kills": 16 if long else 4,
            "calls": 100 if long else 5,
            "ids": {KEPT: 128 if long else 12, "gone-": 128 if long else 12},
        }
        faults = request.config.getoption("--faults") * (CHEAPER if long else 1)
        told = torture(plan, torturer, faults, tmp_path)
    assert told["kills"]
    assert told["deks"]
