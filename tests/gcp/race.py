"""Asks for the same new ids in many processes at once, and writes down what each one got.

Usage: race.py PROCESSES IDS FOLDER KEK_URI STORAGE_URI. Every process forks from one that has
imported everything and opened nothing: gRPC threads do not survive a fork.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import google.cloud.kms_v1
import google.cloud.storage  # noqa: F401 -- loaded once, before there are many

import kms_core


def ask(number: int, ids: int, folder: Path, uris: tuple[str, str], start: Any) -> None:
    deks = {}
    with kms_core.open_kms(*uris) as kms:
        for i in range(ids):
            start.wait()  # all of them are ready: now
            deks[f"id-{i}"] = kms.get_dek(f"id-{i}").hex()
    (folder / f"{number}.json").write_text(json.dumps(deks))


def main(processes: int, ids: int, folder: Path, uris: tuple[str, str]) -> None:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(processes)
    workers = [
        fork.Process(target=ask, args=(number, ids, folder, uris, start))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            start.abort()
    sys.exit(max(worker.exitcode or 0 for worker in workers))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), (sys.argv[4], sys.argv[5]))
