"""What observers cost: for each event beside a plain log line, and for each get_dek.

`observer://otel` is measured without an SDK, and with one that keeps every span and exports none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.local import open_noop
from benchmarks.rounds import Costs, Row, compare, cpu_of, take_turns
from kms_core._events import Observer
from kms_core._plugins.clients import bind
from kms_core.backend import CallStart, Event, ObserverSpec
from kms_core.builtin.audit.observer import AuditObserver
from kms_core.builtin.otel.observer import OtelObserver

CALLS = 300
PLAIN, NOBODY = "a line of `logging` into a file", "no observer"
START = CallStart(1, "get_dek", "kms://noop", "volume-42")
EVENT = Event(1, "get_dek", "kms://noop", "volume-42", "done", 0.0123, None, False, "noop", "1")  # noqa: FBT003 -- whether it was made


def plain_log(path: Path) -> Callable[[], object]:
    """A line of the same fields by Python's logging, into a file."""
    logger = logging.getLogger("benchmarks.plain")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    text = "%s %s dek_id=%r outcome=%s seconds=%.6f"
    return lambda: logger.info(
        text, EVENT.backend, EVENT.operation, EVENT.dek_id, EVENT.outcome, EVENT.seconds
    )


def hears(observer: ObserverSpec) -> Observer:
    """What core tells it."""
    bound: Any = bind("observer://measured", observer, "benchmarks")
    told: Observer = bound.hears
    return told


def of_event(observer: ObserverSpec) -> Callable[[], object]:
    """The beginning and the end of one call."""
    told = hears(observer)

    def tell() -> None:
        if told.start is not None:
            told.start(START)
        told.end(EVENT)

    return tell


def of_get_dek(*observers: ObserverSpec) -> Callable[[], object]:
    """A get_dek of a stored DEK, with nothing behind it: three events."""
    kms = open_noop(*map(hears, observers))
    kms.get_dek("volume-42", create=True)
    return lambda: kms.get_dek("volume-42")


def measure(folder: Path) -> Iterator[Row]:
    """One event, and one get_dek."""
    logging.getLogger("kms_core.audit").addHandler(logging.NullHandler())
    bare = OtelObserver(OtelObserver.Config())  # made while there is no SDK
    audit = AuditObserver(AuditObserver.Config(path=folder / "audit.jsonl"))
    fsync = AuditObserver(AuditObserver.Config(path=folder / "durable.jsonl", fsync=True))
    plain, nobody = plain_log(folder / "plain.log"), of_get_dek()
    found = _costs(
        {
            PLAIN: plain,
            "`audit`": of_event(audit),
            "`audit` with `fsync=true`": of_event(fsync),
            "`otel` without an SDK": of_event(bare),
        }
    )
    whole = _costs({NOBODY: nobody, "`audit`": of_get_dek(audit)})
    yield from compare("One event of an observer", found, PLAIN, "µs")
    trace.set_tracer_provider(TracerProvider())
    metrics.set_meter_provider(MeterProvider())
    otel = OtelObserver(OtelObserver.Config())
    name = "`otel` with an SDK that exports nothing"
    [_, row] = compare(
        "One event of an observer", _costs({PLAIN: plain, name: of_event(otel)}), PLAIN, "µs"
    )
    yield row
    question = "`get_dek` with an observer, no KMS behind it"
    yield from compare(question, whole, NOBODY, "µs")
    [_, row] = compare(question, _costs({NOBODY: nobody, name: of_get_dek(otel)}), NOBODY, "µs")
    yield row


def _costs(calls: dict[str, Callable[[], object]]) -> Costs:
    return take_turns({name: cpu_of(call) for name, call in calls.items()}, CALLS)
