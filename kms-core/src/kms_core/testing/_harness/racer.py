"""The program behind :func:`kms_core.testing.assert_one_winner`; its plan is its input."""

from __future__ import annotations

import json
import multiprocessing
import sys
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from kms_core import open_kms
from kms_core._config.choices import load_choices
from kms_core._plugins.loader import load_backend

_PATIENCE = 300  # seconds until those who wait for a process that died give up


def run(number: int, plan: dict[str, Any], start: Any) -> None:
    """One of the processes: get each DEK when all are ready to."""
    deks = {}
    try:
        with _around(plan["around"]) as noted, open_kms(*plan["sources"]) as kms:
            for dek_id in plan["ids"]:
                start.wait()
                deks[dek_id] = sha256(kms.get_dek(dek_id, create=True)).hexdigest()
    except BaseException:
        start.abort()  # nobody waits for this one
        raise
    answer = json.dumps({"deks": deks, "noted": noted})
    Path(plan["folder"], f"{number}.json").write_text(answer, encoding="utf-8")


def _around(name: str) -> AbstractContextManager[Any]:
    if not name:
        return nullcontext()
    module, _, function = name.partition(":")
    context: AbstractContextManager[Any] = getattr(import_module(module), function)()
    return context


def main() -> None:
    """Import what the processes need, fork them, and exit with 1 if one of them failed."""
    plan = json.load(sys.stdin)
    kek, storage = plan["sources"]
    settings = load_choices(kek=kek, storage=storage)
    for backend in (*settings.keks, settings.storage):
        load_backend(backend.scheme, backend.name)
    if plan["around"]:
        import_module(plan["around"].partition(":")[0])
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(plan["processes"], timeout=_PATIENCE)
    numbers = range(plan["processes"])
    started = [fork.Process(target=run, args=(number, plan, start)) for number in numbers]
    for process in started:
        process.start()
    for process in started:
        process.join()
    sys.exit(any(process.exitcode for process in started))


if __name__ == "__main__":
    main()
