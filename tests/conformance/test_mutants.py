"""Faults in reference backends: each must be seen. With --long, because each runs its whole suite.

``python -m tests.conformance.test_mutants`` prints them as a table with the check that saw each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from xml.etree import ElementTree as ET

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
STOPS_AT_THE_FIRST = """\
import pytest

seen = set()


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.cls]
    items.sort(key=lambda item: (item.path, "wire" in item.fixturenames))  # these take seconds


def pytest_runtest_setup(item):
    if item.path in seen:
        pytest.skip("seen")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed:
        seen.add(item.path)
    return report
"""


def source_of(mutant: Mutant) -> Path:
    return PACKAGES[mutant.package].folder / f"{mutant.module}.py"


def make(number: int, mutant: Mutant, folder: Path) -> None:
    """A copy of the package with the fault in it, and its suite."""
    name = f"mutant{number}"
    copy(PACKAGES[mutant.package], name, folder)
    path = folder / name / f"{mutant.module}.py"
    path.write_text(path.read_text("utf-8").replace(mutant.old, mutant.new), "utf-8")


def copy(package: Package, name: str, folder: Path) -> None:
    """The package and its suite under another name."""
    shutil.copytree(package.folder, folder / name)
    suite = folder / f"test_{name}.py"
    shutil.copy(HERE / package.suite, suite)
    for module in (*(folder / name).glob("*.py"), suite):
        module.write_text(module.read_text("utf-8").replace(package.name, name), "utf-8")


def run(folder: Path) -> Mapping[str, str]:
    """The first check that sees each fault, by the name of the faulty package; and what a sound one
    fails.
    """
    for number, mutant in enumerate(MUTANTS):
        make(number, mutant, folder)
    for name, package in PACKAGES.items():
        copy(package, f"sound_{name}", folder)
    (folder / "conftest.py").write_text(STOPS_AT_THE_FIRST)
    options = ("-q", "-n", "2", "--dist=loadfile", f"--rootdir={folder}", "--junit-xml=all.xml")
    path = os.pathsep.join([str(folder), str(ROOT)])
    env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    cases = ET.parse(folder / "all.xml").iter("testcase")
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    return {
        c.attrib["classname"].partition(".")[0].removeprefix("test_"): c.attrib["name"]
        for c in failed
    }


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Mapping[str, str]:
    if not request.config.getoption("long"):
        pytest.skip("give --long to put each fault into a backend of its own")
    return run(tmp_path_factory.mktemp("mutants"))


def test_each_can_be_made() -> None:
    """A line that has changed since needs its fault anew."""
    gone = [mutant for mutant in MUTANTS if mutant.old not in source_of(mutant).read_text("utf-8")]
    assert gone == []


@pytest.mark.timeout(3600)
def test_each_is_seen(seen: Mapping[str, str]) -> None:
    assert [name for name in seen if name.startswith("sound")] == []
    assert [m for n, m in enumerate(MUTANTS) if f"mutant{n}" not in seen] == []


def main() -> None:
    with TemporaryDirectory() as folder:
        seen = run(Path(folder))
    for number, mutant in enumerate(MUTANTS):
        old, new = (" ".join(t.split()).replace("|", r"\|") for t in (mutant.old, mutant.new))
        by = seen.get(f"mutant{number}", "NOT SEEN")
        sys.stdout.write(f"| {mutant.package}/{mutant.module} | `{old}` | `{new}` | {by} |\n")


if __name__ == "__main__":
    main()
