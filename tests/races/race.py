"""Many processes ask for the same new ids at once: one DEK for each id, and all of them get it.

As a program (race < PLAN) it forks them from one that has imported what they need and opened
nothing, since neither threads nor gRPC survive a fork.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest

import kms_core

ROOT = Path(__file__).parents[2]
Source: TypeAlias = str | Mapping[str, Any]


def assert_one_winner(
    kek: Source, storage: Source, *, processes: int, ids: int, imports: list[str]
) -> set[str]:
    """Let them race, check what each one got, and return the calls that they made.

    Which calls these are is known if an import has a function ``record_calls``.
    """
    names = [f"id-{number}" for number in range(ids)]
    with TemporaryDirectory() as folder:
        plan = {"uris": (kek, storage), "ids": names, "processes": processes, "imports": imports}
        command = [sys.executable, "-m", "tests.races.race"]
        plan_text = json.dumps(plan | {"folder": folder})
        subprocess.run(command, cwd=ROOT, input=plan_text, text=True, check=True)
        seen = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
    assert len(seen) == processes
    with kms_core.open_kms(kek, storage) as kms:
        stored = {dek_id: kms.get_dek(dek_id, create=False).hex() for dek_id in kms.list_dek_ids()}
    assert sorted(stored) == sorted(names)
    assert len(set(stored.values())) == ids
    assert all(answer["deks"] == stored for answer in seen)
    return {call for answer in seen for call in answer["calls"]}


def assert_forks_share_no_connection(kek: Source, storage: Source) -> None:
    """Processes that fork from one with an open Kms get right answers, all at once."""
    ids = [f"id-{number}" for number in range(8)]
    with kms_core.open_kms(kek, storage) as kms:
        deks = {dek_id: kms.get_dek(dek_id) for dek_id in ids}
        children = []
        for first in ids[:4]:
            child = os.fork()
            if child == 0:
                mixed_up = True
                try:
                    mixed_up = any(
                        kms.get_dek(dek_id, create=False) != deks[dek_id]
                        for dek_id in [first, *ids, *reversed(ids)] * 3
                    )
                finally:
                    os._exit(mixed_up)
            children.append(child)
        assert all(kms.get_dek(dek_id, create=False) == deks[dek_id] for dek_id in ids * 6)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)


def ask(number: int, plan: dict[str, Any], start: Any) -> None:
    recorders = [m for m in map(import_module, plan["imports"]) if hasattr(m, "record_calls")]
    with pytest.MonkeyPatch.context() as patch:
        calls = [module.record_calls(patch) for module in recorders]
        deks = {}
        try:
            with kms_core.open_kms(*plan["uris"]) as kms:
                for dek_id in plan["ids"]:
                    start.wait()  # all of them are ready: now
                    deks[dek_id] = kms.get_dek(dek_id).hex()
        except BaseException:
            start.abort()  # nobody waits for this one
            raise
    answer = {"deks": deks, "calls": sorted(set().union(*calls))}
    (Path(plan["folder"]) / f"{number}.json").write_text(json.dumps(answer))


def main() -> None:
    plan = json.load(sys.stdin)
    for module in plan["imports"]:
        import_module(module)
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(plan["processes"])
    workers = [
        fork.Process(target=ask, args=(number, plan, start)) for number in range(plan["processes"])
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.exit(any(worker.exitcode for worker in workers))


if __name__ == "__main__":
    main()
