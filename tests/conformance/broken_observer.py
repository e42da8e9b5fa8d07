"""Observers with one defect each."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from tempfile import TemporaryFile
from typing import IO

from kms_core import UnavailableError
from kms_core.backend import CallStart, Event
from tests.conformance.small_observer import CountsOnly, SmallObserver


class BeginsSomeOperations(SmallObserver):
    breaks = ("test_every_start",)

    def begin(self, start: CallStart) -> None:
        {"get_dek": 1, "load_record": 2}[start.operation] += 1  # type: ignore[unused-ignore]


class RefusesFailures(SmallObserver):
    breaks = ("test_every_event",)

    def note(self, event: Event) -> None:
        if event.outcome == "failed":
            raise UnavailableError("only good news")


class KnowsSomeOperations(SmallObserver):
    breaks = ("test_every_event",)

    def note(self, event: Event) -> None:
        super().note({"get_dek": event, "load_record": event, "wrap_dek": event}[event.operation])


class NeedsDekId(SmallObserver):
    breaks = ("test_every_event",)

    def note(self, event: Event) -> None:
        if event.dek_id is None:
            raise UnavailableError("no event without a dek_id")
        super().note(event)


class WritesAscii(SmallObserver):
    breaks = ("test_strange_ids",)

    def note(self, event: Event) -> None:
        str(event.dek_id).encode("ascii")
        super().note(event)


class DropsErrors(SmallObserver):
    breaks = ("test_notes",)

    def note(self, event: Event) -> None:
        self.service.notes.append(f"{event.backend} {event.operation} {event.dek_id}")


class SharesItsState(SmallObserver):
    breaks = ("test_threads",)

    def note(self, event: Event) -> None:
        self.event = event
        time.sleep(0.05)
        super().note(self.event)


class ShowsAsText(SmallObserver):
    breaks = ("test_description_shows_no_secret",)

    def __str__(self) -> str:
        return self.service.credential


class LeavesItsFileOpen(SmallObserver):
    breaks = ("test_close_frees_all",)
    file: IO[bytes] | None = None

    def note(self, event: Event) -> None:
        super().note(event)
        self.file = self.file or TemporaryFile()  # noqa: SIM115 -- the defect


class LogsItsCredential(SmallObserver):
    breaks = ("test_logs_show_no_secret",)

    def note(self, event: Event) -> None:
        logging.getLogger("small.sdk").debug("sent", extra={"sent": self.service.credential})


class DividesByDuration(SmallObserver):
    breaks = ("test_odd_seconds",)

    def note(self, event: Event) -> None:
        self.rate = 1 / event.seconds
        super().note(event)


class TellsDeclinedAsFailed(SmallObserver):
    breaks = ("test_declined",)

    def note(self, event: Event) -> None:
        super().note(replace(event, outcome="failed") if event.error else event)


class AddsFailures(CountsOnly):
    breaks = ("test_declined",)

    def note(self, event: Event) -> None:
        super().note(replace(event, outcome="failed") if event.error else event)


class CutsSeconds(SmallObserver):
    breaks = ("test_seconds",)

    def note(self, event: Event) -> None:
        super().note(replace(event, seconds=int(event.seconds)))


class CutsSecondsOfSums(CountsOnly):
    breaks = ("test_seconds",)

    def note(self, event: Event) -> None:
        super().note(replace(event, seconds=round(event.seconds)))


class LosesCounts(CountsOnly):
    breaks = ("test_threads",)

    def add(self, series: str, value: float) -> None:
        total = self.service.totals[series]
        time.sleep(0.01)
        self.service.totals[series] = total + value


class KnowsTwoOutcomes(SmallObserver):
    breaks = ("test_every_event",)

    def note(self, event: Event) -> None:
        super().note({"done": event, "failed": event}[event.outcome])


class ForgetsWhyItDeclined(SmallObserver):
    breaks = ("test_declined",)

    def note(self, event: Event) -> None:
        super().note(replace(event, error=None) if event.outcome == "declined" else event)


class StaysAtOneCall(SmallObserver):
    breaks = ("test_counts",)

    def count(self, event: Event) -> None:
        super().count(event)
        series = event.operation, event.outcome
        self.service.counts[series] = 1, self.service.counts[series][1]


class KeepsTheLastSeconds(SmallObserver):
    breaks = ("test_counts",)

    def count(self, event: Event) -> None:
        super().count(event)
        series = event.operation, event.outcome
        self.service.counts[series] = self.service.counts[series][0], event.seconds


class CountsNoFastCall(SmallObserver):
    breaks = ("test_counts",)

    def count(self, event: Event) -> None:
        if event.seconds:
            super().count(event)


class CountsNoCallWithoutDekId(SmallObserver):
    breaks = ("test_counts",)

    def count(self, event: Event) -> None:
        if event.dek_id:
            super().count(event)


class CountsNoRepeat(SmallObserver):
    breaks = ("test_counts",)
    last: Event | None = None

    def count(self, event: Event) -> None:
        last, self.last = self.last, replace(event, call=0, seconds=0)
        if self.last != last:
            super().count(event)
