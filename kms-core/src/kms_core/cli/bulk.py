"""What commands for many DEKs share: options, progress, and the report at the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import click

from kms_core import Bulk, Kms, Outcome
from kms_core.cli.failures import one_line

_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""

_ORDER = ("done", "unchanged", "gone", "failed")


def bulk_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which DEKs, how fast, and how it tells."""
    for option in (
        click.option(
            "--progress",
            type=click.Choice(["auto", "plain", "none"]),
            default="auto",
            show_default=True,
            help="A bar on a terminal and lines elsewhere; lines; nothing. To standard error.",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(min=0, min_open=True),
            metavar="N",
            help="At most so many DEKs in a second, to stay below a quota.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 1000),
            default=Bulk().concurrency,
            show_default=True,
            help="How many DEKs at once; a backend's maxConnections says how many calls.",
        ),
        click.option("--prefix", default="", help="Only ids that start with this."),
    ):
        command = option(command)
    return command


@dataclass(slots=True)
class Report:
    """How many DEKs had which outcome, and each failure.

    Attributes:
        counts: by outcome.
        failures: by dek_id, what is told of each.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """Count outcomes as they pass, and write each failure to standard error."""
        for outcome in outcomes:
            self.counts[outcome.outcome] += 1
            if outcome.error is not None:
                message = one_line(str(outcome.error))
                kind, retryable = type(outcome.error).__name__, outcome.error.retryable
                told = {"error": kind, "message": message, "retryable": retryable}
                self.failures[outcome.dek_id] = told
                click.echo(f"kms: failed: DEK {outcome.dek_id!r}: {message}", err=True)
            yield outcome

    def as_json(self, **more: Any) -> str:
        """One JSON object: the counts, and the failures by id."""
        counts = {name: self.counts[name] for name in _ORDER}
        return json.dumps({**more, **counts, "failures": self.failures}, ensure_ascii=False)

    def as_line(self, done: str) -> str:
        """The counts in words; ``done`` is the word for what was done."""
        words = {"done": done}
        named = [f"{self.counts[n]} {words.get(n, n)}" for n in _ORDER if self.counts[n]]
        return ", ".join(named) or "no DEK is there"

    @property
    def code(self) -> int:
        """The exit code: 1 if anything failed."""
        return 1 if self.failures else 0


def run(
    outcomes: Iterator[Outcome], progress: str, counted: tuple[Kms, str] | None = None
) -> Report:
    """Go through the outcomes, and report them."""
    report = Report()
    for _ in report.take(with_progress(outcomes, counted, progress)):
        pass
    return report


def tell(report: Report, verb: str, *, dry_run: bool, as_json: bool) -> NoReturn:
    """Write the report, and exit."""
    done = f"would be {verb}" if dry_run else verb
    click.echo(report.as_json(dry_run=dry_run) if as_json else report.as_line(done))
    sys.exit(report.code)


def with_progress(
    outcomes: Iterator[Outcome], counted: tuple[Kms, str] | None, kind: str
) -> Iterator[Outcome]:
    """Show on standard error how far a run is.

    Args:
        outcomes: of the run.
        counted: where and by which prefix to count what it goes through, if it can be counted.
        kind: as the option says.
    """
    if kind == "none":
        return outcomes
    if kind == "auto" and sys.stderr.isatty():
        return _with_bar(outcomes, counted)
    return _with_lines(outcomes)


def _with_lines(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    began = told = time.monotonic()
    for number, outcome in enumerate(outcomes, 1):
        yield outcome
        now = time.monotonic()
        if now - told >= _EVERY:
            told = now
            click.echo(f"kms: {number} DEKs, {number / (now - began):.0f} per second", err=True)


def _with_bar(outcomes: Iterator[Outcome], counted: tuple[Kms, str] | None) -> Iterator[Outcome]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:.0f}/s")

    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(Rate(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("counting", total=None)
        if counted:
            kms, prefix = counted
            progress.update(task, total=sum(1 for _ in kms.list_dek_ids(prefix)))
        progress.update(task, description="DEKs")
        for outcome in outcomes:
            progress.advance(task)
            yield outcome
