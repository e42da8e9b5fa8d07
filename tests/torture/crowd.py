"""Many processes that call at random, some of them killed with ``kill -9``, in rounds.

Usage: python -m tests.torture.crowd PLAN, which is JSON. Each line of its input begins a round and
names the file of its history; each line of its output ends one, and says how many were killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import kms_core._deks.upkeep  # noqa: F401 -- imported once, before the forks
from tests.torture.caller import join, open_bare, play

_PAUSE = 0.1  # seconds between two kills at most


def fork(plan: dict[str, Any], history: Path, number: int) -> int:
    """One process, which opens the backends for itself."""
    if child := os.fork():
        return child
    # One write to a file that is appended to is whole, and after all those before it.
    log = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    note = partial(_append, log)
    kms = join(open_bare("kms", plan["kek"]), open_bare("storage", plan["storage"]))
    ids = [f"{kind}{history.stem}-{n}" for kind, ids in plan["ids"].items() for n in range(ids)]
    play(kms, note, f"{history.stem}.{number}", ids, plan["calls"])
    os._exit(0)


def _append(log: int, line: str) -> None:
    os.write(log, line.encode())


def run_round(plan: dict[str, Any], history: Path) -> int:
    """Let the crowd call, kill some and put others into their places; return how many died."""
    numbers, killed = count(), 0
    alive = [fork(plan, history, next(numbers)) for _ in range(plan["processes"])]
    for _ in range(plan["kills"]):
        time.sleep(random.uniform(0, _PAUSE))
        place = random.randrange(len(alive))
        os.kill(alive[place], signal.SIGKILL)
        killed += _end(alive[place]) == -signal.SIGKILL
        alive[place] = fork(plan, history, next(numbers))
    for child in alive:
        _end(child)
    return killed


def _end(child: int) -> int:
    """Wait for its end; a process that failed has told of it, and ends the crowd."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in {0, -signal.SIGKILL}:
        sys.exit(f"a process ended with {code}")
    return code


def main() -> None:
    plan = json.loads(sys.argv[1])
    for line in sys.stdin:
        print(run_round(plan, Path(line.strip())), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
