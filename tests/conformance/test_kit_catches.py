"""The kit itself put to the proof: a correct backend passes, and each defect is caught by the
check of the clause that it breaks. One pytest process for each kind of backend.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kms_core.backend import DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.testing._harness.clauses import clause_of
from tests.conformance.suites import SUITES, broken_backends

ROOT = Path(__file__).parents[2]
SPECS = (KekSpec, DeriverSpec, StorageSpec, ObserverSpec)
HOOKS = {
    name
    for spec in SPECS
    for kind in spec.__mro__
    for name, hook in vars(kind).items()
    if hasattr(hook, "kms_core_spec")
}
"""The optional ones too."""
NAMES_A_HOOK = re.compile(rf"\b({'|'.join(HOOKS)}|every hook|Config)\b")


@dataclass(frozen=True)
class Outcome:
    """What became of one check against one backend; ``failure`` is empty when it passed."""

    backend: str
    check: str
    failure: str
    report: str


@dataclass(frozen=True)
class Proof:
    kind: str
    outcomes: list[Outcome]

    def of(self, backend: str) -> list[Outcome]:
        return [o for o in self.outcomes if o.backend == backend]


@pytest.fixture(scope="module", params=SUITES)
def proof(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """All checks run against the correct backend, and each broken one's against that."""
    kind: str = request.param
    folder = tmp_path_factory.mktemp(kind)
    (folder / "test_all.py").write_text(
        f"from tests.conformance.suites import suites\nglobals().update(suites({kind!r}))\n"
    )
    chosen = [f"test_all.py::Test{SUITES[kind][1].__name__}"]
    for broken in broken_backends(kind):
        chosen += [f"test_all.py::Test{broken.__name__}::{check}" for check in broken.breaks]
    options = (f"--rootdir={folder}", "--junit-xml=all.xml")
    command = [sys.executable, "-m", "pytest", "-q", *options, *chosen]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    cases = ET.parse(folder / "all.xml").iter("testcase")
    return Proof(kind, [_outcome(case) for case in cases])


def _outcome(case: ET.Element) -> Outcome:
    backend = case.attrib["classname"].rpartition(".Test")[2]
    problems = [problem.attrib["message"] for problem in case]
    report = "".join(problem.text or "" for problem in case)
    return Outcome(backend, case.attrib["name"], "; ".join(problems), report)


def test_a_correct_backend_passes_every_check(proof: Proof) -> None:
    outcomes = proof.of(SUITES[proof.kind][1].__name__)
    assert outcomes
    assert [o for o in outcomes if o.failure] == []


def test_each_defect_is_caught_by_the_check_of_its_clause(proof: Proof) -> None:
    broken = {
        b.__name__: {check.partition("[")[0] for check in b.breaks}
        for b in broken_backends(proof.kind)
    }
    caught = {
        name: {o.check.partition("[")[0] for o in proof.of(name) if o.failure} for name in broken
    }
    assert caught == broken


def test_each_failure_names_the_hook_that_broke(proof: Proof) -> None:
    failures = [o.failure for o in proof.outcomes if o.failure]
    assert [f for f in failures if not NAMES_A_HOOK.search(f)] == []


def test_each_failure_tells_the_clause_and_where_it_stands(proof: Proof) -> None:
    suite = SUITES[proof.kind][0]
    for outcome in (o for o in proof.outcomes if o.failure):
        clause = clause_of(suite, outcome.check.partition("[")[0])
        assert clause is not None
        assert f"clause of {clause.hook}: {clause.text}\n" in outcome.report
        assert (
            f"documented in kms_core.backend.hookspecs.{clause.owner} (docs/hooks.md#"
            in outcome.report
        )


def test_each_hook_has_a_check() -> None:
    suites = [suite for suite, _, _ in SUITES.values()]
    checked = {
        clause.owner
        for suite in suites
        for check in dir(suite)
        if (clause := clause_of(suite, check)) is not None
    }
    hooks = {getattr(s, hook).__qualname__ for s in SPECS for hook in HOOKS if hasattr(s, hook)}
    assert hooks - checked == set()


def test_each_check_catches_a_defect(proof: Proof) -> None:
    checks = {o.check for o in proof.of(SUITES[proof.kind][1].__name__)}
    catching = {o.check for o in proof.outcomes if o.failure}
    assert checks - catching == set()
