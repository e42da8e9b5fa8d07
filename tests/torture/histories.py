"""The histories of a crowd: read from what it noted, and judged DEK by DEK."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from math import inf

from kms_core import Kms
from tests.torture.caller import outcome_of
from tests.torture.linear import UNKNOWN, Call, is_linearizable
from tests.torture.wire import KEPT

Histories = dict[str, list[Call]]
_AFTER_ALL = (1e18, 2e18)


def read_histories(lines: Iterable[str]) -> Histories:
    """The history of each id. The clock is the order of the notes."""
    begun: dict[str, tuple[float, str, str]] = {}
    histories: Histories = defaultdict(list)
    for moment, line in enumerate(lines):
        caller, *words = line.split()
        if caller not in begun:
            kind, dek_id = words
            begun[caller] = moment, kind, dek_id
            continue
        begin, kind, dek_id = begun.pop(caller)
        end = inf if words == [UNKNOWN] else moment
        histories[dek_id].append(Call(kind, begin, end, *words))
    for begin, kind, dek_id in begun.values():  # they were killed
        histories[dek_id].append(Call(kind, begin, inf, UNKNOWN))
    return histories


def judge(histories: Mapping[str, list[Call]], kms: Kms) -> Counter[str]:
    """Read each DEK over an honest wire, and count what was lost, was changed or cannot be.

    Raises:
        AssertionError: something was; the message has the history.
    """
    told = Counter(operations=sum(map(len, histories.values())), ids=len(histories))
    for dek_id, history in histories.items():
        stored = outcome_of(kms, "get", dek_id)
        returned = {call.outcome for call in history if call.kind in {"get", "ensure", "create"}}
        assert stored != UNKNOWN, (dek_id, "unreadable", history)
        told["unknown"] += sum(call.outcome == UNKNOWN for call in history)
        if dek_id.startswith(KEPT):
            deks = {outcome for outcome in returned if len(outcome) == 24}
            told["deks"] += len(deks)
            assert deks <= {stored}, (dek_id, "lost or changed", stored, history)
        last = Call("get", *_AFTER_ALL, stored)
        assert is_linearizable([*history, last]), (dek_id, "cannot be", stored, sorted(history))
    return told
