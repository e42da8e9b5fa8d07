"""All that others may read of a call that fails: what is reported of its error, and what is logged.

The reports are those of the tools themselves, with local variables: Sentry, rich and structlog.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import sentry_sdk
from rich.traceback import Traceback
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport
from structlog.tracebacks import ExceptionDictTransformer

from kms_core.testing._harness.leaks import Text, carried_texts, error_texts
from kms_core.testing._harness.logs import every_logged_text

_ALL = 10**6
"""A tool's limit, so that it shows all."""

_UNLIMITED: Any = {"locals_max_length": _ALL, "locals_max_string": _ALL}
_in_dicts = ExceptionDictTransformer(**_UNLIMITED, max_frames=_ALL, use_rich=False)


def reports_of(call: Callable[[], object]) -> tuple[BaseException, list[Text]]:
    """Make a call that fails; return its error, and what others may read."""
    with warnings.catch_warnings(record=True) as warned, every_logged_text() as texts:
        _sentry().clear()
        sentry_sdk.get_isolation_scope().clear_breadcrumbs()
        error, reported = _reported(call)
    texts += [*reported, *error_texts(error), *carried_texts(error)]
    return error, texts + [("a warning", str(warning.message)) for warning in warned]


def _reported(call: Callable[[], object]) -> tuple[BaseException, list[Text]]:
    """The frame of this function is the outermost one in the reports, as the caller's own."""
    try:
        call()
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever it is
        return error, [*_reports()]
    raise AssertionError("it did not fail")


def _reports() -> Iterator[Text]:
    kind, error, trace = sys.exc_info()
    assert kind is not None
    assert error is not None
    sentry_sdk.capture_exception(error)
    yield from (("Sentry", text) for text in _sentry())
    yield "structlog", repr(_in_dicts((kind, error, trace)))
    # What rich has in hand when it draws; to colour each file's source takes it seconds.
    yield (
        "rich",
        repr(Traceback.extract(kind, error, trace, show_locals=True, **_UNLIMITED)),
    )


@cache
def _sentry() -> list[str]:
    """What Sentry sends: reports of errors, with all that was logged before."""
    sent: list[str] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope.serialize().decode())

    sentry_sdk.init(
        dsn="http://key@127.0.0.1/1",
        transport=Kept,
        integrations=[LoggingIntegration(level=1)],
        max_breadcrumbs=_ALL,
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),
    )
    return sent
