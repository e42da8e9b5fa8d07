"""Processes in environments of their own, each of which makes the calls of one library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.rounds import Round

ROOT = Path(__file__).parents[1]
OURS = "kms-core"


@dataclass(frozen=True)
class Worker:
    """A process that waits to be asked."""

    process: subprocess.Popen[str]
    versions: dict[str, str]
    kib: int
    """The most memory that it held until its first call was asked for."""

    def ask(self, call: str, number: int = 1) -> dict[str, Any]:
        """Have it call so often."""
        return _exchange(self.process, f"{call} {number}")

    def round_of(self, call: str) -> Round:
        """A round of that process."""
        return partial(self._cpu, call)

    def _cpu(self, call: str, number: int) -> float:
        cpu: float = self.ask(call, number)["cpu"]
        return cpu


@dataclass(frozen=True)
class Environments:
    """Where `nox -s bench` made an environment for each peer."""

    folder: Path

    def python(self, name: str) -> str:
        """The interpreter of an environment; `ours` is the one that runs this."""
        return sys.executable if name == "ours" else str(self.folder / name / "bin" / "python")

    @contextmanager
    def start(
        self,
        environment: str,
        module: str,
        settings: Mapping[str, object],
        variables: Mapping[str, str],
    ) -> Iterator[Worker]:
        """Run `benchmarks.peers.MODULE`, and end it."""
        command = [self.python(environment), "-m", f"benchmarks.peers.{module}"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **variables}
        with subprocess.Popen(command, cwd=ROOT, env=clean, **pipes) as process:
            try:
                told = _exchange(process, json.dumps(settings))
                yield Worker(process, told["versions"], told["kib"])
            finally:
                process.kill()


def _exchange(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"{process.args!r} ended: see above")
    told: dict[str, Any] = json.loads(answer)
    return told
