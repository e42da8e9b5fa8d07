"""Correct observers, as small as they can be. The broken ones derive from one."""

from __future__ import annotations

from collections import defaultdict
from threading import Lock

from kms_core.backend import CallStart, Event, ObserverSpec, hookimpl
from tests.conformance.small_kms import Service, SmallBackend


class Notebook(Service):
    """What an observer writes into."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.totals: dict[str, float] = defaultdict(float)
        self.counts: dict[tuple[str, str], tuple[float, float]] = {}
        self.lock = Lock()

    def read(self) -> str:
        totals = (f"{series}: {total}" for series, total in self.totals.items())
        return "\n".join([*self.notes, *totals])


class SmallObserver(SmallBackend, ObserverSpec):
    service: Notebook

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        self.begin(start)

    @hookimpl
    def observe(self, event: Event) -> None:
        self.reach()
        self.note(event)
        self.count(event)

    def begin(self, start: CallStart) -> None: ...

    def note(self, event: Event) -> None:
        self.service.notes.append(f"{event} by {id(self)}")

    def count(self, event: Event) -> None:
        series = event.operation, event.outcome
        with self.service.lock:
            calls, seconds = self.service.counts.get(series, (0, 0.0))
            self.service.counts[series] = calls + 1, seconds + event.seconds


class CountsOnly(SmallObserver):
    """As one of metrics does: correct, and without a dek_id."""

    def note(self, event: Event) -> None:
        labels = f"{event.backend} {event.operation} {event.outcome} {event.error}"
        self.add(f"calls of {labels}", 1)
        self.add(f"seconds of {labels}", event.seconds)

    def add(self, series: str, value: float) -> None:
        with self.service.lock:
            self.service.totals[series] += value
