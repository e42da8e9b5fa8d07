"""The checker of histories, against all orders of small ones, and what really happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations, product
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torture.linear import DONE, EXISTS, MISSING, UNKNOWN, Call, is_linearizable

KINDS = ("get", "ensure", "create", "rewrap", "delete")


@pytest.mark.parametrize(
    "history",
    [
        [],
        [Call("create", 0, 1, "a"), Call("get", 2, 3, "a"), Call("create", 4, 5, EXISTS)],
        [Call("ensure", 0, 3, "a"), Call("ensure", 1, 2, "a")],
        [Call("create", 0, 9, "a"), Call("get", 1, 2, MISSING), Call("get", 3, 4, "a")],
        [Call("create", 0, inf, UNKNOWN), Call("get", 1, 2, MISSING), Call("get", 3, 4, "a")],
        [Call("ensure", 0, 1, "a"), Call("delete", 2, 5, DONE), Call("delete", 3, 4, DONE)],
        [
            *(Call("ensure", 0, 1, "a"), Call("delete", 2, inf, UNKNOWN)),
            *(Call("get", 3, 4, "a"), Call("get", 5, 6, MISSING), Call("ensure", 7, 8, "b")),
        ],
    ],
)
def test_what_may_happen(history: list[Call]) -> None:
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        [Call("get", 0, 1, "a")],
        [Call("get", 0, 1, "a"), Call("create", 2, 3, "a")],
        [Call("create", 0, 3, "a"), Call("create", 1, 2, "b")],
        [Call("ensure", 0, 3, "a"), Call("ensure", 1, 2, "b")],
        [Call("create", 0, 1, "a"), Call("get", 2, 3, MISSING)],
        [Call("create", 0, 1, "a"), Call("delete", 2, 3, DONE), Call("get", 4, 5, "a")],
        [Call("rewrap", 0, 1, DONE)],
        [Call("create", 0, 1, EXISTS), Call("create", 2, inf, UNKNOWN)],
        [
            *(Call("ensure", 0, 1, "a"), Call("delete", 2, inf, UNKNOWN)),
            *(Call("get", 3, 4, MISSING), Call("get", 5, 6, "a")),
        ],
        [
            *(Call("create", 0, inf, UNKNOWN), Call("create", 0, inf, UNKNOWN)),
            *(Call("get", 1, 2, "a"), Call("delete", 3, 4, DONE), Call("get", 5, 6, "a")),
        ],
    ],
)
def test_what_may_not_happen(history: list[Call]) -> None:
    assert not is_linearizable(history)


@st.composite
def small_histories(draw: st.DrawFn) -> list[Call]:
    history = []
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=5)):
        begin = draw(st.integers(0, 8))
        end = begin + draw(st.integers(1, 8)) + 0.5
        outcomes = {"create": [EXISTS], "delete": [MISSING, DONE], "rewrap": [MISSING, DONE]}
        known = [*outcomes.get(kind, [MISSING] if kind == "get" else []), UNKNOWN]
        deks = [] if kind in {"delete", "rewrap"} else ["a", "b"]
        history.append(Call(kind, begin, end, draw(st.sampled_from(deks + known))))
    return history


@given(small_histories())
def test_agrees_with_all_orders_of_small_histories(history: list[Call]) -> None:
    assert is_linearizable(history) == any(map(is_possible, orders(history)))


def orders(history: Sequence[Call]) -> Iterator[list[Call]]:
    """Each order of the known calls and any of the unknown, with what these may have made."""
    lost = [call for call in history if call.outcome == UNKNOWN]
    known = [call for call in history if call.outcome != UNKNOWN]
    some = chain.from_iterable(combinations(lost, n) for n in range(len(lost) + 1))
    for chosen in some:
        made = [
            ["a", "b", f"unseen {number}"] if call.kind in {"create", "ensure"} else [DONE]
            for number, call in enumerate(chosen)
        ]
        for outcomes in product(*made):
            told = [
                Call("create" if call.kind == "ensure" else call.kind, call.begin, inf, outcome)
                for call, outcome in zip(chosen, outcomes, strict=True)
                if call.kind not in {"get", "rewrap"}
            ]
            yield from map(list, permutations(known + told))


def is_possible(order: Sequence[Call]) -> bool:
    dek, ever = "", set[str]()
    latest = 0.0
    for call in order:
        latest = max(latest, call.begin)
        if call.end < latest:
            return False
        if call.outcome == MISSING or (call.kind == "create" and call.outcome != EXISTS):
            if dek:
                return False
        elif call.kind not in {"delete", "ensure"} and not dek:
            return False
        if call.kind == "delete":
            dek = ""
        elif call.outcome not in {MISSING, EXISTS, DONE} and call.outcome != dek:
            if dek or call.kind == "get" or call.outcome in ever:
                return False
            dek = call.outcome
            ever.add(dek)
    return True


def happened(random: Random, calls: int, callers: int) -> list[Call]:
    """What callers saw of a register that does one call after the other, and loses answers."""
    dek, history, free = "", [], [0.0] * callers
    for moment in range(1, calls + 1):
        caller = random.randrange(callers)
        begin = max(free[caller], moment - random.uniform(0.1, callers))
        end = moment + random.uniform(0.1, 0.9) * random.choice((1, callers))
        if begin > moment:
            continue
        kind = random.choice(KINDS)
        outcome = dek or MISSING
        if kind in {"create", "ensure"} and not dek:
            outcome = dek = f"dek {moment}"
        elif kind == "create":
            outcome = EXISTS
        elif kind in {"delete", "rewrap"} and dek:
            dek, outcome = "" if kind == "delete" else dek, DONE
        free[caller] = end
        lost = random.random() < 0.2
        history.append(Call(kind, begin, inf if lost else end, UNKNOWN if lost else outcome))
    return history


@given(st.integers(0, 2**32), st.sampled_from([1, 4, 12]))
def test_accepts_what_happened(seed: int, callers: int) -> None:
    assert is_linearizable(happened(Random(seed), 150, callers))


@given(st.integers(0, 2**32))
def test_refuses_a_read_of_what_is_gone(seed: int) -> None:
    history = [*happened(Random(seed), 60, 4), Call("delete", 100, 101, DONE)]
    gone = [call.outcome for call in history if call.outcome.startswith("dek")]
    if gone:
        assert not is_linearizable([*history, Call("get", 102, 103, gone[-1])])
        assert is_linearizable([*history, Call("get", 102, 103, MISSING)])
