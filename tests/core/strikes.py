"""Strikes a program with time limits at random instants; every thread's call must end.

Usage: strikes.py memory|file FOLDER STRIKES SEED
"""

from __future__ import annotations

import faulthandler
import random
import signal
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from types import FrameType

import kms_core
from kms_core import Kms
from kms_core.builtin.local.key_file import new_key_file

IDS = 3
"""Ids that every thread asks for, so that most calls share one flight."""

LONGEST = 0.002
"""Seconds after which a strike comes at the latest: about what a create of a file takes."""


class JobTooSlowError(Exception):
    """As a job queue raises it: it derives from Exception."""


def strike(_number: int, _frame: FrameType | None) -> None:
    raise JobTooSlowError


def ask(kms: Kms, chance: random.Random) -> None:
    """Ask for a DEK that others ask for as well, or for a new one."""
    known = chance.random() < 0.8
    kms.get_dek(f"id-{chance.randrange(IDS) if known else chance.randrange(2**32)}", create=True)


def be_struck(kms: Kms, chance: random.Random) -> None:
    """Ask for DEKs until the time limit strikes."""
    with suppress(JobTooSlowError):
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, LONGEST))
        while True:
            ask(kms, chance)


def keep_asking(kms: Kms, chance: random.Random, stop: threading.Event) -> None:
    while not stop.is_set():
        ask(kms, chance)


def main(store: str, folder: Path, strikes: int, seed: int) -> int:
    faulthandler.dump_traceback_later(600 + strikes / 10, exit=True)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, strike)
    key_file = folder / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    storage = {"memory": "storage://memory", "file": f"storage://file?path={folder}"}[store]
    kms = kms_core.open_kms(f"kms://local?keyFile={key_file}", storage)
    stop = threading.Event()
    others = [
        threading.Thread(target=keep_asking, args=(kms, random.Random(seed + number), stop))
        for number in (1, 2)
    ]
    for other in others:
        other.start()
    chance = random.Random(seed)
    for _ in range(strikes):
        be_struck(kms, chance)
    stop.set()
    for other in others:
        other.join()
    for number in range(IDS):
        kms.get_dek(f"id-{number}", create=True)  # on a slow disk nobody may have made it yet
    leaked = sum(path.resolve().is_relative_to(folder) for path in Path("/dev/fd").iterdir())
    sys.stdout.write(f"seed {seed}: {strikes} strikes, {leaked} descriptors leaked\n")
    return leaked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
