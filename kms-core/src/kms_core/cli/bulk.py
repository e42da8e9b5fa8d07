"""What commands for many DEKs share: options, progress, and the report at the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Event, Thread
from typing import Any, NoReturn

import click

from kms_core import Bulk, Kms, KmsError, Outcome
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
        as_json: whether all of it is written as JSON at the end; then the failures are kept.
        counts: by outcome.
        failures: by dek_id, what is told of each.
    """

    as_json: bool
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """Count outcomes as they pass, and write each failure to standard error."""
        for outcome in outcomes:
            self.counts[outcome.outcome] += 1
            if outcome.error is not None:
                message = one_line(str(outcome.error))
                if self.as_json:
                    kind, retryable = type(outcome.error).__name__, outcome.error.retryable
                    told = {"error": kind, "message": message, "retryable": retryable}
                    self.failures[outcome.dek_id] = told
                click.echo(f"kms: failed: DEK {outcome.dek_id!r}: {message}", err=True)
            yield outcome

    def to_json(self, **more: Any) -> str:
        """One JSON object: the counts, and the failures by id."""
        counts = {name: self.counts[name] for name in _ORDER}
        return json.dumps({**more, **counts, "failures": self.failures}, ensure_ascii=False)

    def to_words(self, done: str) -> str:
        """The counts in words, empty where all are 0; ``done`` is the word for what was done."""
        words = {"done": done}
        named = [f"{self.counts[n]} {words.get(n, n)}" for n in _ORDER if self.counts[n]]
        return ", ".join(named)

    @property
    def code(self) -> int:
        """The exit code: 1 if anything failed."""
        return 1 if self.counts["failed"] else 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run through many DEKs.

    Attributes:
        verb: what was done, as a participle.
        progress: as the option says.
        dry_run: whether it would only be done.
        as_json: whether the report is JSON.
    """

    verb: str
    progress: str
    dry_run: bool
    as_json: bool

    def go(self, outcomes: Iterator[Outcome], counted: tuple[Kms, str] | None = None) -> Report:
        """Go through the outcomes."""
        report = Report(self.as_json)
        try:
            for _ in report.take(with_progress(outcomes, counted, self.progress)):
                pass
        except KeyboardInterrupt:
            words = report.to_words(self._done) or "nothing was done"
            click.echo(f"kms: interrupted: {words} until then; run it again", err=True)
            raise
        return report

    def tell(self, report: Report) -> NoReturn:
        """Write the report, and exit."""
        words = report.to_words(self._done) or "no DEK is there"
        click.echo(report.to_json(dry_run=self.dry_run) if self.as_json else words)
        sys.exit(report.code)

    @property
    def _done(self) -> str:
        return f"would be {self.verb}" if self.dry_run else self.verb


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
        task = progress.add_task("DEKs", total=None)
        with _counting(counted, lambda total: progress.update(task, total=total)):
            for outcome in outcomes:
                progress.advance(task)
                yield outcome


@contextmanager
def _counting(counted: tuple[Kms, str] | None, tell: Callable[[int], object]) -> Iterator[None]:
    """Count the DEKs meanwhile: to list a million of them takes minutes."""
    if counted is None:
        yield
        return
    kms, prefix = counted
    ended = Event()

    def count() -> None:
        with suppress(KmsError):  # whoever goes through them meets it as well
            total = sum(
                1 for _ in takewhile(lambda _: not ended.is_set(), kms.list_dek_ids(prefix))
            )
            tell(total)

    thread = Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
