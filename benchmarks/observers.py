"""What observers cost: for each event beside a plain log line, and for each get_dek.

Usage: python -m benchmarks.observers, with the dependency group `spans` installed. `observer://otel`
is measured without an SDK, and with one that keeps every span and exports none.
"""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.get_dek import open_noop
from kms_core._events import Observer
from kms_core._plugins.clients import bind
from kms_core.backend import CallStart, Event, ObserverSpec
from kms_core.builtin.audit.observer import AuditObserver
from kms_core.builtin.log import LogObserver
from kms_core.builtin.otel.observer import OtelObserver

ROUNDS, CALLS = 21, 500
START = CallStart(1, "get_dek", "kms://noop", "volume-42")
EVENT = Event(1, "get_dek", "kms://noop", "volume-42", "done", 0.0123, None, False, "noop", "1")  # noqa: FBT003 -- whether it was made


def measure(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Microseconds of each; they take turns, so that a busy machine slows all alike."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                call()
            found[name].append((time.perf_counter() - started) / CALLS * 1e6)
    return {name: median(each) for name, each in found.items()}


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


def show(title: str, found: dict[str, float], beside: str) -> None:
    """Print a table."""
    print(title)
    for name, cost in found.items():
        print(f"  {name:<34} {cost:7.1f} µs   {cost / found[beside]:6.2f} x {beside}")


def main() -> None:
    """Measure and print."""
    warnings.simplefilter("ignore", UserWarning)
    logging.getLogger("kms_core.audit").addHandler(logging.NullHandler())
    bare = OtelObserver(OtelObserver.Config())  # made while there is no SDK
    with tempfile.TemporaryDirectory() as folder:
        trail, durable = Path(folder, "audit.jsonl"), Path(folder, "durable.jsonl")
        audit = AuditObserver(AuditObserver.Config(path=trail))
        fsync = AuditObserver(AuditObserver.Config(path=durable, fsync=True))
        log = LogObserver(LogObserver.Config())
        events = {
            "a plain log line": plain_log(Path(folder, "plain.log")),
            "audit": of_event(audit),
            "audit, fsync": of_event(fsync),
            "otel, no SDK": of_event(bare),
        }
        asked = {
            "no observer": of_get_dek(),
            "log, to nowhere": of_get_dek(log),
            "audit": of_get_dek(audit),
            "otel, no SDK": of_get_dek(bare),
        }
        found, whole = measure(events), measure(asked)
        trace.set_tracer_provider(TracerProvider())
        metrics.set_meter_provider(MeterProvider())
        otel = OtelObserver(OtelObserver.Config())
        sdk = {"otel with an SDK": of_event(otel), "a plain log line": events["a plain log line"]}
        found |= measure(sdk)
        whole |= measure(
            {"otel with an SDK": of_get_dek(otel), "no observer": asked["no observer"]}
        )
    show("one event", found, "a plain log line")
    show("one get_dek", whole, "no observer")


if __name__ == "__main__":
    main()
