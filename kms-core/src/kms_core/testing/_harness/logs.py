"""Takes all that is logged, and lets nobody else have it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


@contextmanager
def every_record() -> Iterator[list[logging.LogRecord]]:
    """Yield a list of what any logger logs meanwhile, at any level.

    The records may hold secrets. pytest's own handlers stand at the root, and print what they got
    when a test fails, so they get nothing.
    """
    root, handler = logging.getLogger(), _Handler()
    known = root.manager.loggerDict.values()
    loggers = [root, *(logger for logger in known if isinstance(logger, logging.Logger))]
    before = [(logger, logger.level, logger.propagate, logger.disabled) for logger in loggers]
    handlers, disabled = root.handlers, root.manager.disable
    try:
        root.handlers = [handler]
        logging.disable(logging.NOTSET)
        for logger in loggers:
            _set(logger, logging.NOTSET if logger is not root else 1)
        yield handler.records
    finally:
        root.handlers = handlers
        logging.disable(disabled)
        for logger, level, propagate, is_disabled in before:
            _set(logger, level, propagate=propagate, disabled=is_disabled)


def _set(
    logger: logging.Logger, level: int, *, propagate: bool = True, disabled: bool = False
) -> None:
    logger.setLevel(level)
    logger.propagate, logger.disabled = propagate, disabled
