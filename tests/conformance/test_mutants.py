"""Faults in the backends that core ships: each must be seen. With --long, because each is a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kms_core.builtin
from tests.conformance.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
BUILTIN = Path(kms_core.builtin.__file__).parent
SUITES = {"file": "test_file.py", "local": "test_local.py"}


def make(mutant: Mutant, folder: Path) -> None:
    """A copy of the package with the fault in it, and its suite."""
    package = f"kms_core.builtin.{mutant.package}"
    shutil.copytree(BUILTIN / mutant.package, folder / "mutant")
    path = folder / "mutant" / f"{mutant.module}.py"
    source = path.read_text("utf-8")
    assert mutant.old in source
    path.write_text(source.replace(mutant.old, mutant.new), "utf-8")
    suite = folder / "test_it.py"
    shutil.copy(ROOT / "tests" / "conformance" / SUITES[mutant.package], suite)
    for module in (*(folder / "mutant").glob("*.py"), suite):
        module.write_text(module.read_text("utf-8").replace(package, "mutant"), "utf-8")


@pytest.mark.parametrize("mutant", MUTANTS, ids=map(str, range(len(MUTANTS))))
def test_each_is_seen(
    mutant: Mutant, tmp_path: Path, request: pytest.FixtureRequest, *, long: bool
) -> None:
    if not long:
        pytest.skip("give --long to put each fault into a backend of its own")
    if mutant.unseen:
        request.node.add_marker(pytest.mark.xfail(reason=mutant.unseen, strict=True))
    make(mutant, tmp_path)
    command = [sys.executable, "-m", "pytest", "-qx", "--tb=line", f"--rootdir={tmp_path}"]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, f"{mutant}\n{run.stdout}"
    assert "passed" in run.stdout or " failed" in run.stdout
