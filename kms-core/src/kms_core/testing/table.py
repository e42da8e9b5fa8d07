"""The clauses as a table: which passed, which failed, and which were skipped and why.

``pytest -p kms_core.testing.table`` prints it below everything else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import pytest

from kms_core.testing._harness.clauses import Clause, clause_of

_PROPERTY = "kms_clause"
_PARTS = (
    "what get_dek needs",
    "what only rewrap, delete, list and health need",
    "what observers do",
)
_BROKEN = ("ERROR", "FAILED")
_WORST_FIRST = (*_BROKEN, "xfailed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one clause: the worst of its checks, and what that one says."""

    suite: str
    clause: Clause
    outcome: str
    detail: str
    of_observer: bool = False

    def lines(self) -> Iterator[str]:
        """The outcome, the hook and the clause, and below them what else there is to know."""
        yield f"{self.outcome:7}  {self.clause.hook:16}  {self.clause.text}"
        yield from (f"{'':9}{line}" for line in self.detail.splitlines())
        if self.outcome == "FAILED":
            yield from (f"{'':9}{note}" for note in [*self.clause.notes()][1:])

    @property
    def is_broken(self) -> bool:
        """Whether it does not hold, or could not be checked."""
        return self.outcome in _BROKEN

    @property
    def serves_get_dek(self) -> bool:
        """Whether ``get_dek`` needs it, or only what else may be done with records."""
        return self.clause.serves_get_dek(self.detail if self.outcome == "FAILED" else "")

    @property
    def part(self) -> str:
        """What needs it."""
        needed, maintained, observed = _PARTS
        if self.of_observer:
            return observed
        return needed if self.serves_get_dek else maintained


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run."""
    config.pluginmanager.register(ClauseTable())


class ClauseTable:
    """A plugin of pytest that remembers what became of each clause, and writes it down."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Clause, bool], list[tuple[str, str]]] = defaultdict(list)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note the clause where it also reaches the process that prints, under xdist."""
        suite: Any = getattr(item, "cls", None)
        found = suite and clause_of(suite, getattr(item, "originalname", item.name))
        if found:
            of_observer = suite.scheme == "observer"
            known = [of_observer, found.owner, found.text, found.cure]
            item.user_properties.append((_PROPERTY, known))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a report."""
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, list):
                suite = report.nodeid.rpartition("::")[0]
                of_observer, *clause = value
                place = (suite, Clause(*clause), of_observer)
                self._seen[place].append((_outcome(report), _detail(report)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table below pytest's own."""
        terminalreporter.section("clauses of the hookspecs")
        for suite, rows in groupby(self.rows(), key=lambda row: row.suite):
            terminalreporter.write_line(suite)
            for line in chain.from_iterable(row.lines() for row in rows):
                terminalreporter.write_line(f"  {line}")
        for line in self.summary().splitlines():
            terminalreporter.write_line(line)

    def summary(self) -> str:
        """How many clauses passed, failed and so on, those that ``get_dek`` needs apart."""
        parts = {part: [r.outcome for r in self.rows() if r.part == part] for part in _PARTS}
        return "\n".join(f"{part}: {_counted(seen)}" for part, seen in parts.items() if seen)

    def rows(self) -> Iterator[Row]:
        """The table, a suite after the other."""
        # Sorted, because under xdist they come in from several processes.
        for place in sorted(self._seen, key=lambda k: (k[0], k[1].hook, k[1].text)):
            suite, clause, of_observer = place
            outcome, detail = min(self._seen[place], key=lambda one: _WORST_FIRST.index(one[0]))
            yield Row(suite, clause, outcome, detail, of_observer)


def _counted(outcomes: list[str]) -> str:
    told = (f"{number} {outcome.lower()}" for outcome, number in sorted(Counter(outcomes).items()))
    return ", ".join(told)


def _outcome(report: pytest.TestReport) -> str:
    """What the report says of a phase of the check."""
    if report.failed:
        return "FAILED" if report.when == "call" else "ERROR"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    return "passed"


def _detail(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail).removeprefix("reason: ")
    if isinstance(report.longrepr, tuple):  # how pytest reports a skip
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(crash.message if crash else report.longrepr or "")
    if report.failed and report.when != "call":
        message = f"the clause was not checked, because its {report.when} failed: {message}"
    return message.partition("\nclause of ")[0].removeprefix("AssertionError: ")
