"""The commands that people and CI run are the same."""

from __future__ import annotations

import os
import re
import sys

from tests.packaging.conftest import ROOT, run

WRITTEN_PLUGIN = ROOT / "kms-core/src/kms_core/cli/scaffold/templates/common"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    command, rest = [line for line in script.read_text().splitlines() if "bin/nox" in line]
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)\n```$", readme, re.MULTILINE | re.DOTALL)
    assert command in blocks
    assert rest == ".venv/bin/nox -s rest"


def test_rest_runs_each_test_that_is_marked_so() -> None:
    text = (ROOT / "noxfile.py").read_text()
    [providers] = re.findall(r"^PROVIDERS = \(\n(.*?)^\)$", text, re.MULTILINE | re.DOTALL)
    [wheels] = re.findall(r"^ON_WHEELS = \((.*)\)$", text, re.MULTILINE)
    run_by_rest = {*re.findall(r'"tests/(\w+)"', providers + wheels), "packaging"}
    marked = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in ROOT.glob("tests/*/**/test_*.py")
        if "pytest.mark.rest" in path.read_text("utf-8")
    }
    assert marked
    assert marked <= run_by_rest


def test_constraints_pin_everything_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    for pin in pins:
        assert re.fullmatch(r"[a-z0-9.-]+==[0-9a-z.]+( ; [a-zA-Z_ '=!<>.0-9()]+)?", pin)
    assert "://" not in "".join(lines)


def test_all_say_the_same_of_which_pythons_are_supported() -> None:
    text = (ROOT / "noxfile.py").read_text()
    [supported] = re.findall(r"^SUPPORTED = \((.*)\)$", text, re.MULTILINE)
    versions = re.findall(r'"(3\.\d+)"', supported)
    workflows = [ROOT / ".github/workflows/ci.yml", WRITTEN_PLUGIN / ".github/workflows/ci.yml.in"]
    for workflow in workflows:
        assert f"python: [{supported}]\n" in workflow.read_text()
    projects = [*ROOT.glob("kms-*/pyproject.toml"), *ROOT.glob("examples/*/pyproject.toml")]
    for project in projects:
        classified = re.findall(
            r'"Programming Language :: Python :: (3\.\d+)",', project.read_text()
        )
        assert classified == versions, project
    assert len(projects) > 6
    ends = f"{versions[0]} to {versions[-1]}"
    for page in ("README.md", "CONTRIBUTING.md", "docs/compatibility.md"):
        assert ends in (ROOT / page).read_text(), page


def test_contributing_lists_each_session() -> None:
    listed = run(sys.executable, "-m", "nox", "-l", folder=ROOT)
    assert listed.returncode == 0, listed.stderr
    sessions = re.findall(r"^[*-] ([a-z]+)", listed.stdout, re.MULTILINE)
    table = re.findall(r"^\| `([a-z]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert set(sessions) == set(table)
