"""Costs of calls that take turns, and rows of the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import NamedTuple, TypeAlias

Round: TypeAlias = Callable[[int], float]
"""Makes so many calls, and returns the seconds of CPU that they took together."""
Costs: TypeAlias = Mapping[str, list[float]]
"""Seconds of one call, for each round."""

ROUNDS = 9
UNITS = {"µs": 1e6, "ms": 1e3, "s": 1.0}


class Row(NamedTuple):
    """One figure: what was measured of whom, and its ratio to another's in the same run."""

    question: str
    who: str
    value: float
    unit: str
    ratio: float | None = None
    beside: str = ""
    aim: str = ""
    """What the ratio, or without one the value, should be: `≤ 1.03`, `≥ 1.8`; empty if nothing."""


def cpu_of(call: Callable[[], object]) -> Round:
    """A round of this process."""

    def run(calls: int) -> float:
        started = time.process_time()
        for _ in range(calls):
            call()
        return time.process_time() - started

    return run


def take_turns(rounds: Mapping[str, Round], calls: int, times: int = ROUNDS) -> Costs:
    """Let each make a round of so many calls, again and again."""
    found: dict[str, list[float]] = {name: [] for name in rounds}
    for _ in range(times):
        for name, run in rounds.items():
            found[name].append(run(calls) / calls)
    return found


def ratio(one: list[float], other: list[float]) -> float:
    """The median of the ratios of rounds that followed each other."""
    return median(a / b for a, b in zip(one, other, strict=True))


def compare(
    question: str, costs: Costs, beside: str, unit: str, aims: Mapping[str, str] | None = None
) -> Iterator[Row]:
    """A row for each, with its ratio to one of them."""
    for who, cost in costs.items():
        value = median(cost) * UNITS[unit]
        aim = (aims or {}).get(who, "")
        yield Row(question, who, value, unit, ratio(cost, costs[beside]), beside, aim)
