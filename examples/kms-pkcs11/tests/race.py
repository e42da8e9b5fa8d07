"""Asks for the same new ids in many processes at once: race.py PROCESSES IDS FOLDER < CONFIG.

The processes are forked with the module initialised and the parent logged in. They log in one
after the other, because SoftHSM rewrites a file of the token at each login, and whoever reads it
meanwhile gets CKR_GENERAL_ERROR.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import kms_core


def ask(answer: Path, ids: int, kms: kms_core.Kms, login: Any, start: Any) -> None:
    with login:
        kms.get_dek("parent", create=False)
    deks = {}
    for n in range(ids):
        start.wait()
        deks[f"id-{n}"] = kms.get_dek(f"id-{n}", create=True).hex()
    answer.write_text(json.dumps(deks))


def main(processes: int, ids: int, folder: Path) -> None:
    config = json.load(sys.stdin)
    fork = multiprocessing.get_context("fork")
    login, start = fork.Lock(), fork.Barrier(processes, timeout=300)
    with kms_core.open_kms(config["kek"], config["storage"]) as kms:
        kms.get_dek("parent", create=True)
        workers = [
            fork.Process(target=ask, args=(folder / f"{n}.json", ids, kms, login, start))
            for n in range(processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        kms.get_dek("parent", create=False)
    sys.exit(max(abs(worker.exitcode or 0) for worker in workers))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
