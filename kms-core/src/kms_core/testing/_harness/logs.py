"""Reads all that is logged, and lets nobody else have it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from kms_core.testing._harness.leaks import Text, carried_texts


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[Text] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Read it, with the local variables of a traceback, as handlers do that show these."""
        self.texts.append((f"a record of logger {record.name}", repr(vars(record))))
        self.texts.append((f"what {record.name} logs", self.format(record)))
        if record.exc_info and record.exc_info[1]:
            carried = carried_texts(record.exc_info[1])
            self.texts += ((f"{where}, logged by {record.name}", text) for where, text in carried)


@contextmanager
def every_logged_text() -> Iterator[list[Text]]:
    """Yield a list of what any logger logs meanwhile, at any level.

    It may hold secrets. pytest's own handlers stand at the root, and print what they got
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
        yield handler.texts
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
