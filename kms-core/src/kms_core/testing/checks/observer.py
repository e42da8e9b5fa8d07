"""The contract of an observer as tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from typing import ClassVar, Literal

import pytest

from kms_core._racing import RACERS, race
from kms_core._values import CallStart, Event
from kms_core.backend.hookspecs import BackendSpec, ObserverSpec
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, Scheme, expect, skip_without
from kms_core.testing._harness.harness import ObserverHarness
from kms_core.testing.checks.shared import BackendChecks, Provoked
from kms_core.testing.checks.strange_ids import STRANGE_IDS

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DURATION, _PRECISION = 86413.5271, 0.05
"""Seconds that no clock, date or count looks like."""

_DECLINED = "DekNotFoundError"
_UNITS = (1, 1e3, 1e6, 1e9)


def _event(
    dek_id: str | None = "volume-42",
    operation: str = "wrap_dek",
    outcome: Literal["done", "failed"] = "done",
) -> Event:
    error = None if outcome == "done" else "UnavailableError"
    return Event(7, operation, "kms://under-test", dek_id, outcome, 0.25, error)


class ObserverConformance(BackendChecks):
    """Subclass it, and define the fixture ``harness``, which returns an :class:`ObserverHarness`.

    Clients that write to one place may be one object.
    """

    harness_type = ObserverHarness

    scheme: ClassVar[Scheme] = "observer"
    harmless = ("observe", {"event": _event()})

    def use(self, client: Client) -> None:
        """Take note of a call that was done, and of one that failed."""
        client.answer("observe", event=_event())
        client.answer("observe", event=_event(outcome="failed"))

    def provoke(self, fresh: Fresh) -> Provoked:
        """Take note; an observer raises no error of its own."""
        self.use(fresh())
        return Provoked([], [])

    @clause(ObserverSpec.observe_start)
    def test_every_start(self, fresh: Fresh) -> None:
        """Takes every beginning, also of an operation that it does not know, and its end.

        Cure: take operations as texts, and have a default for one that you do not know.
        """
        client = fresh()
        if not client.bound.offers("observe_start"):
            pytest.skip("observe_start is optional, and this backend has none")
        for call, operation in enumerate(("get_dek", "of-tomorrow", "load_record")):
            for dek_id in (None, *STRANGE_IDS):
                start = CallStart(call, operation, "kms://under-test", dek_id)
                client.answer("observe_start", f"of {start}", start=start)
                event = replace(_event(dek_id, operation), call=call)
                client.answer("observe", f"of {start}", event=event)

    @clause(ObserverSpec.observe)
    def test_every_event(self, fresh: Fresh) -> None:
        """Takes note of every call, also of an operation that it does not know.

        Cure: take operations as texts, with a default for one that you do not know, and
        dek_id as None too.
        """
        client = fresh()
        operations = ("get_dek", "load_record", "of-tomorrow")
        for operation, done in product(operations, (True, False)):
            event = _event(operation=operation, outcome="done" if done else "failed")
            client.answer("observe", f"of {event}", event=event)
        client.answer("observe", "of an event without a dek_id", event=_event(None))
        declined = replace(_event(), outcome="declined", error="DekNotFoundError")
        client.answer("observe", f"of {declined}", event=declined)

    @clause(ObserverSpec.observe)
    def test_odd_seconds(self, fresh: Fresh) -> None:
        """Takes every duration, such as none at all on a coarse clock.

        Cure: add durations up, and divide by none.
        """
        client = fresh()
        for seconds in (0.0, 1e-9, 1e9):
            event = replace(_event(), seconds=seconds)
            client.answer("observe", f"of {seconds} seconds", event=event)

    @clause(ObserverSpec.observe)
    def test_strange_ids(self, fresh: Fresh) -> None:
        """Takes every dek_id.

        Cure: write the dek_id as ``repr`` or as JSON shows it, in UTF-8.
        """
        client = fresh()
        for dek_id in STRANGE_IDS:
            client.answer("observe", f"of {dek_id!r}", event=_event(dek_id))

    @clause(ObserverSpec.observe)
    def test_notes(self, fresh: Fresh, harness: ObserverHarness) -> None:
        """What it notes tells backend, operation and outcome, and the error's class.

        Not the dek_id: metrics have no label of it, since each new DEK would be a series more.

        Cure: note backend, operation, outcome and error of each event, as labels or as
        text.
        """
        read, client = skip_without(harness, "read_notes"), fresh()
        event = _event("noted-id", "unwrap_dek", "failed")
        client.answer("observe", event=event)
        client.close()
        notes = read()
        for told in (event.backend, event.operation, event.outcome, event.error):
            expect(f"observe: whether {told!r} is noted", expected=True, seen=str(told) in notes)

    @clause(ObserverSpec.observe)
    def test_declined(self, fresh: Fresh, harness: ObserverHarness) -> None:
        """Notes ``declined`` as that, and never as a failure: nobody is to be woken by it.

        Cure: note ``event.outcome`` as it is; an error does not mean that the call failed.
        """
        read, client = skip_without(harness, "read_notes"), fresh()
        self.use(client)
        before = read()
        event = replace(_event(), outcome="declined", error=_DECLINED)
        client.answer("observe", event=event)
        client.close()
        after = read()
        is_named = after.count(_DECLINED) > before.count(_DECLINED)
        told = f"observe of a call that was declined: whether it notes {_DECLINED}"
        expect(told, expected=True, seen=is_named)
        for outcome, is_told in (("declined", True), ("failed", False)):
            changed = _lines(after, outcome) != _lines(before, outcome)
            told = (
                f"observe of a call that was declined: whether it notes one that {outcome!r} tells"
            )
            expect(told, expected=is_told, seen=changed)

    @clause(ObserverSpec.observe)
    def test_seconds(self, fresh: Fresh, harness: ObserverHarness) -> None:
        """Where it notes how long a call took, it notes it finer than by the second.

        Cure: note ``event.seconds`` as it is, a float; or whole milliseconds.
        """
        read, client = skip_without(harness, "read_notes"), fresh()
        before = _numbers(read())
        client.answer("observe", event=replace(_event(), seconds=_DURATION))
        client.close()
        seen = _numbers(read())
        sums = {a - b for a in seen for b in before} | seen
        noted = [n / unit for n in sums for unit in _UNITS if 0 <= n / unit - int(_DURATION) <= 1]
        if not noted:
            pytest.skip("its notes tell no duration")
        fine = any(abs(n - _DURATION) < _PRECISION for n in noted)
        expect("observe: whether parts of seconds are noted", expected=True, seen=fine)

    @clause(ObserverSpec.observe)
    def test_counts(self, fresh: Fresh, harness: ObserverHarness) -> None:
        """Where it counts, it counts every call, and adds up all their seconds.

        Cure: add 1 to a counter of the operation and the outcome at each event, and its seconds to
        another, whatever its dek_id, its seconds and its error are.
        """
        read, client = skip_without(harness, "read_counts"), fresh()
        before, expected = read(), Counter[tuple[str, str]]()
        for number, event in enumerate(_events()):
            client.answer("observe", event=replace(event, call=number))
            expected[event.operation, event.outcome] += 1
        client.close()
        after = read()
        for series, calls in expected.items():
            was, now = (counts.get(series, (0, 0.0)) for counts in (before, after))
            told = f"observe of {series[0]} that was {series[1]}"
            expect(f"{told}: how many calls it counts", calls, now[0] - was[0])
            seconds = sum(e.seconds for e in _events() if (e.operation, e.outcome) == series)
            expect(f"{told}: how many seconds it adds", seconds, round(now[1] - was[1], 6))

    @clause(BackendSpec)
    def test_threads(self, fresh: Fresh, harness: ObserverHarness) -> None:
        """All hooks may be called from several threads at once, on one client.

        Cure: keep what belongs to one event in local variables, and write each note in one
        call.
        """
        client, ids = fresh(), [f"from-thread-{n:02}" for n in range(RACERS)]
        race([partial(client.answer, "observe", event=_event(dek_id)) for dek_id in ids])
        client.close()
        if harness.read_notes is not None:
            notes = harness.read_notes()
            counts = {dek_id: notes.count(dek_id) for dek_id in ids}
            if any(counts.values()):
                expect("observe in 16 threads: notes of each", dict.fromkeys(ids, 1), counts)
                return
            self._expect_same_totals(fresh, harness.read_notes)

    def _expect_same_totals(self, fresh: Fresh, read: Callable[[], str]) -> None:
        """Metrics tell no dek_id: as many calls in turn and at once have to add the same."""
        notes = [read()]
        for each in (_in_turn, race):
            client = fresh()
            each([partial(client.answer, "observe", event=_event())] * RACERS)
            client.close()
            notes.append(read())
        in_turn, at_once = (_growth(before, after) for before, after in pairwise(notes))
        expect("observe in 16 threads: what that adds to the notes", in_turn, at_once)


def _events() -> list[Event]:
    """Some of each outcome: alike, without a dek_id, and of no seconds."""
    ended = [_event(), _event(outcome="failed")]
    ended.append(replace(_event(), outcome="declined", error=_DECLINED))
    each = [
        replace(event, operation=operation, dek_id=dek_id, seconds=seconds)
        for event in ended
        for operation in ("wrap_dek", "load_record")
        for dek_id in ("volume-42", None)
        for seconds in (0.0, 0.25, 0.5)
    ]
    return each * 2


def _in_turn(calls: Sequence[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _lines(notes: str, word: str) -> list[str]:
    """Those with the word, and with no other outcome."""
    others = {"done", "declined", "failed"} - {word}
    lines = (line for line in notes.splitlines() if word in line)
    return sorted(line for line in lines if not any(other in line for other in others))


def _numbers(notes: str) -> set[float]:
    return {float(number) for number in _NUMBER.findall(notes)}


def _growth(before: str, after: str) -> float:
    """How many lines more name the backend, or, where calls are counted, what is added to them."""
    lines = [[one for one in n.splitlines() if _event().backend in one] for n in (before, after)]
    more = len(lines[1]) - len(lines[0])
    sums = [sum(float(n) for one in all_ for n in _NUMBER.findall(one)) for all_ in lines]
    return more or round(sums[1] - sums[0], 6)
