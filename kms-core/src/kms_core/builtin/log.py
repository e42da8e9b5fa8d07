"""``observer://log``: an audit trail through the standard library's logging."""

from __future__ import annotations

import logging
from dataclasses import fields

from kms_core.backend import BackendConfig, Event, ObserverSpec, hookimpl

_ATTRIBUTES = [(f"kms_{field.name}", field.name) for field in fields(Event)]


class LogObserver(ObserverSpec):
    """Writes each event to a logger, as INFO: that a DEK was not found may be no failure at all.

    A log record carries the event's fields too, as ``kms_operation``, ``kms_dek_id`` and so on.
    """

    class Config(BackendConfig):
        """``logger``: the logger's name."""

        logger: str = "kms_core.audit"

    def __init__(self, config: Config) -> None:
        self._log = logging.getLogger(config.logger)

    @hookimpl
    def observe(self, event: Event) -> None:
        shown = {attribute: getattr(event, name) for attribute, name in _ATTRIBUTES}
        self._log.info(
            "%s %s dek_id=%r outcome=%s seconds=%.6f error=%s made=%s",
            event.backend,
            event.operation,
            event.dek_id,
            event.outcome,
            event.seconds,
            event.error,
            event.made,
            extra=shown,
        )

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""
