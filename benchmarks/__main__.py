"""Measures all, writes `results.json`, and from it the table and the plots of the docs.

Usage: python -m benchmarks ENVIRONMENTS [QUESTION …], as `nox -s bench` calls it. With questions
(the names of modules) it measures only these, and leaves the other rows as they are.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import aio, bulk, cache, clouds, derive, envelope, loop, observers, report, start
from benchmarks.rounds import Row
from benchmarks.workers import Environments

OF_OURS = ("cryptography", "distributed", "kms-core", "moto")


def main(folder: str, *chosen: str) -> None:
    """Measure and write."""
    warnings.simplefilter("ignore")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells of each call of a server
    versions = {name: version(name) for name in OF_OURS}
    with TemporaryDirectory() as temporary:
        questions = _questions(Environments(Path(folder).resolve()), Path(temporary), versions)
        for name in chosen or questions:
            started = time.monotonic()
            rows: list[Row] = []
            for row in questions[name]():
                rows.append(row)
                print(*row, flush=True)
            print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
            _write({name: rows}, versions)


def _questions(
    environments: Environments, folder: Path, versions: dict[str, str]
) -> dict[str, Callable[[], Iterator[Row]]]:
    return {
        "clouds": partial(clouds.measure, environments, folder, versions),
        "cache": partial(cache.measure, environments, folder),
        "derive": partial(derive.measure, folder),
        "envelope": partial(envelope.measure, environments, folder),
        "aio": partial(aio.measure, folder),
        "loop": partial(loop.measure, folder),
        "start": partial(start.measure, environments, folder),
        "bulk": partial(bulk.measure, folder),
        "observers": partial(observers.measure, folder),  # last: an SDK of OpenTelemetry stays
    }


def _write(found: dict[str, list[Row]], versions: dict[str, str]) -> None:
    before = json.loads(report.RESULTS.read_text("utf-8")) if report.RESULTS.exists() else {}
    rows = {name: [row._asdict() for row in each] for name, each in found.items()}
    results = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[2], 1),
        "versions": dict(sorted({**before.get("versions", {}), **versions}.items())),
        "rows": {**before.get("rows", {}), **rows},
    }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    report.RESULTS.write_text(f"{text}\n", encoding="utf-8")
    report.write(results)


if __name__ == "__main__":
    main(*sys.argv[1:])
