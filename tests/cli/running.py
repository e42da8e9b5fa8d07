"""How the tests run ``kms``: in this process where that is enough, or as the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Protocol

NOTHING: Mapping[str, str] = MappingProxyType({})
COMMAND = Path(sys.executable).with_name("kms")


@dataclass(frozen=True)
class Done:
    code: int
    raw: bytes
    errors: str

    @property
    def output(self) -> str:
        return self.raw.decode()

    @property
    def error(self) -> str:
        """The one line that an error is."""
        [line] = self.errors.splitlines()
        assert line.startswith("kms: error: ")
        return line.removeprefix("kms: error: ")


class Kms(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> Done: ...


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KMS_", "PYTHON"))}
    return {**inherited, **more}


def run_command(*arguments: str, **environment: str) -> Done:
    started = start_command(*arguments, environment=environment)
    output, errors = started.communicate()
    return Done(started.returncode, output, errors.decode())


def start_command(
    *arguments: str,
    environment: Mapping[str, str] = NOTHING,
    output: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [COMMAND, *arguments],
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
    )


def install(site: Path, distribution: str, entry_points: str, **modules: str) -> None:
    """Lay out what an installer would: a ``dist-info`` folder, and the modules beside it."""
    metadata = site / f"{distribution.replace('-', '_')}-7.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 7\n")
    (metadata / "entry_points.txt").write_text(entry_points)
    for name, source in modules.items():
        (site / f"{name}.py").write_text(source)
