"""Correct observers, as small as they can be. The broken ones derive from one."""

from __future__ import annotations

from kms_core.backend import CallStart, Event, ObserverSpec, hookimpl
from tests.conformance.small_kms import Service, SmallBackend


class Notebook(Service):
    """What an observer writes into."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []


class SmallObserver(SmallBackend, ObserverSpec):
    service: Notebook

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        self.begin(start)

    @hookimpl
    def observe(self, event: Event) -> None:
        self.reach()
        self.note(event)

    def begin(self, start: CallStart) -> None: ...

    def note(self, event: Event) -> None:
        self.service.notes.append(f"{event} by {id(self)}")


class CountsOnly(SmallObserver):
    """As one of metrics does: correct, and without a dek_id."""

    def note(self, event: Event) -> None:
        told = (event.backend, event.operation, event.outcome, event.error)
        self.service.notes.append(" ".join(map(str, told)))
