"""Faults in reference backends: each must be seen. With --long, because each is a run.

``python -m tests.conformance.test_mutants`` prints them as a table with the check that saw each.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

import kms_core.builtin
from tests.conformance import mutants, mutants_http
from tests.conformance.mutants import Mutant

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILTIN = Path(kms_core.builtin.__file__).parent
MUTANTS = (*mutants.MUTANTS, *mutants_http.MUTANTS)


class Package(NamedTuple):
    """Where a backend is, under which name, and its suite."""

    folder: Path
    name: str
    suite: str


PACKAGES = {
    "file": Package(BUILTIN / "file", "kms_core.builtin.file", "test_file.py"),
    "local": Package(BUILTIN / "local", "kms_core.builtin.local", "test_local.py"),
    "http_pair": Package(HERE / "http_pair", "tests.conformance.http_pair", "test_http_pair.py"),
}


def source_of(mutant: Mutant) -> Path:
    return PACKAGES[mutant.package].folder / f"{mutant.module}.py"


def make(mutant: Mutant, folder: Path) -> None:
    """A copy of the package with the fault in it, and its suite."""
    package = PACKAGES[mutant.package]
    shutil.copytree(package.folder, folder / "mutant")
    path = folder / "mutant" / f"{mutant.module}.py"
    path.write_text(path.read_text("utf-8").replace(mutant.old, mutant.new), "utf-8")
    suite = folder / "test_it.py"
    shutil.copy(HERE / package.suite, suite)
    for module in (*(folder / "mutant").glob("*.py"), suite):
        module.write_text(module.read_text("utf-8").replace(package.name, "mutant"), "utf-8")


def run(mutant: Mutant, folder: Path) -> str:
    """The first check that sees the fault, or nothing."""
    make(mutant, folder)
    command = [sys.executable, "-m", "pytest", "-qx", "-rf", "--tb=line", f"--rootdir={folder}"]
    path = os.pathsep.join([str(folder), str(ROOT)])
    env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode == pytest.ExitCode.OK:
        return ""
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, f"{mutant}\n{done.stdout}"
    seen: list[str] = re.findall(r"^(?:FAILED|ERROR) \S+::(test_\S+)", done.stdout, re.MULTILINE)
    return seen[0]


def test_each_can_be_made() -> None:
    """A line that has changed since needs its fault anew."""
    gone = [mutant for mutant in MUTANTS if mutant.old not in source_of(mutant).read_text("utf-8")]
    assert gone == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=map(str, range(len(MUTANTS))))
def test_each_is_seen(
    mutant: Mutant, tmp_path: Path, request: pytest.FixtureRequest, *, long: bool
) -> None:
    if not long:
        pytest.skip("give --long to put each fault into a backend of its own")
    if mutant.unseen:
        request.node.add_marker(pytest.mark.xfail(reason=mutant.unseen, strict=True))
    assert run(mutant, tmp_path), mutant


def row(mutant: Mutant) -> str:
    with TemporaryDirectory() as folder:
        seen = run(mutant, Path(folder)) or "NOT SEEN"
    old, new = (" ".join(text.split()).replace("|", r"\|") for text in (mutant.old, mutant.new))
    return f"| {mutant.package}/{mutant.module} | `{old}` | `{new}` | {seen} |"


def main() -> None:
    with ThreadPoolExecutor(2) as pool:
        for line in pool.map(row, MUTANTS):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
