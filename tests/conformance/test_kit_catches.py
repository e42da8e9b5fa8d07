"""The kit itself put to the proof: a correct backend passes, and each defect is caught by the
check of the clause that it breaks. Two pytest processes for each kind of backend, because much of
the time is waits.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kms_core.backend import DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.testing._harness.clauses import clause_of
from tests.conformance.suites import SUITES, table

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
    """All checks run against the correct backend, and each broken one's against that."""

    kind: str
    outcomes: list[Outcome]

    def of(self, backend: str) -> list[Outcome]:
        return [o for o in self.outcomes if o.backend == backend]

    def false_alarms(self) -> list[Outcome]:
        outcomes = self.of(SUITES[self.kind][1].__name__)
        assert outcomes
        return [o for o in outcomes if o.failure]

    def not_as_in_the_table(self) -> list[str]:
        caught = {
            name: {o.check.partition("[")[0] for o in self.of(name) if o.failure}
            for name in {o.backend for o in self.outcomes}
        }
        return [
            f"{row.backend.__name__}: {row.reason}: {sorted(row.checks ^ caught[name])}"
            for row in table(self.kind)
            if caught[name := row.backend.__name__] != row.checks
        ]

    def unnamed_hooks(self) -> list[str]:
        failures = [o.failure for o in self.outcomes if o.failure]
        return [f for f in failures if not NAMES_A_HOOK.search(f)]

    def untold_clauses(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.failure and not self._tells(o)]

    def _tells(self, outcome: Outcome) -> bool:
        clause = clause_of(SUITES[self.kind][0], outcome.check.partition("[")[0])
        return (
            clause is not None
            and f"clause of {clause.hook}: {clause.text}\n" in outcome.report
            and f"documented in {clause.documented}" in outcome.report
        )

    def checks_that_catch_nothing(self) -> set[str]:
        checks = {o.check for o in self.of(SUITES[self.kind][1].__name__)}
        return checks - {o.check for o in self.outcomes if o.failure}


def prove(kind: str, folder: Path) -> Proof:
    (folder / "test_all.py").write_text(
        f"from tests.conformance.suites import suites\nglobals().update(suites({kind!r}))\n"
    )
    chosen = [f"test_all.py::Test{SUITES[kind][1].__name__}"]
    for row in table(kind):
        chosen += [f"test_all.py::Test{row.backend.__name__}::{check}" for check in row.clauses]
    half = len(chosen) // 2
    with ThreadPoolExecutor(2) as pool:
        parts = (("first", chosen[:half]), ("second", chosen[half:]))
        outcomes = pool.map(lambda part: _run(folder, *part), parts)
        return Proof(kind, [outcome for part in outcomes for outcome in part])


def _run(folder: Path, part: str, chosen: Sequence[str]) -> list[Outcome]:
    options = (f"--rootdir={folder}", f"--junit-xml={part}.xml", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *options, *chosen]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    return [_outcome(case) for case in ET.parse(folder / f"{part}.xml").iter("testcase")]


def _outcome(case: ET.Element) -> Outcome:
    backend = case.attrib["classname"].rpartition(".Test")[2]
    problems = [problem.attrib["message"] for problem in case]
    report = "".join(problem.text or "" for problem in case)
    return Outcome(backend, case.attrib["name"], "; ".join(problems), report)


@pytest.mark.rest
@pytest.mark.parametrize("kind", SUITES)
def test_each_defect_is_caught_by_the_check_of_its_clause(kind: str, tmp_path: Path) -> None:
    """One test, because the proof is one run."""
    proof = prove(kind, tmp_path)
    assert proof.false_alarms() == []
    assert proof.not_as_in_the_table() == []
    assert proof.unnamed_hooks() == []
    assert proof.untold_clauses() == []
    assert proof.checks_that_catch_nothing() == set()


def test_each_clause_says_what_to_do() -> None:
    clauses = {clause_of(suite, check) for suite, _ in SUITES.values() for check in dir(suite)}
    assert [clause.text for clause in clauses if clause and not clause.cure] == []


def test_each_hook_has_a_check() -> None:
    checked = {
        clause.owner
        for suite, _ in SUITES.values()
        for check in dir(suite)
        if (clause := clause_of(suite, check)) is not None
    }
    hooks = {getattr(s, hook).__qualname__ for s in SPECS for hook in HOOKS if hasattr(s, hook)}
    assert hooks - checked == set()
