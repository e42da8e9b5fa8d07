"""An opened observer."""

from __future__ import annotations

from kms_core._events import Observer
from kms_core._plugins.clients.call import Client
from kms_core._values import CallStart, Event
from kms_core.backend.hookspecs import ObserverSpec


class ObserverClient(Client[ObserverSpec]):
    """An opened observer."""

    @property
    def hears(self) -> Observer:
        """What it is told."""
        start = self.observe_start if self.offers("observe_start") else None
        return Observer(self.backend, self.observe, start)

    def observe_start(self, start: CallStart) -> None:
        """Tell it of a call that begins."""
        self._call("observe_start", self._hooks.observe_start, type(None), None, start=start)

    def observe(self, event: Event) -> None:
        """Tell it of a call that has ended."""
        self._call("observe", self._hooks.observe, type(None), None, event=event)
