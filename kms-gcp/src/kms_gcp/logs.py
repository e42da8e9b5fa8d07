"""Keeps DEKs and tokens out of the SDK's debug log, which holds whole messages and headers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TALKATIVE = (
    "google.auth.transport.requests",
    "google.cloud.kms_v1.services.key_management_service.transports.grpc",
)
_ours: ContextVar[bool] = ContextVar("_ours", default=False)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _ours.get()


def hush() -> None:
    """Make the SDK's loggers drop what is logged during our calls, and nothing else."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_is_not_ours)  # a second time changes nothing


@contextmanager
def unlogged() -> Iterator[None]:
    """Around a call of ours."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
