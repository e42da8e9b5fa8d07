"""Lies, cuts, repeats and loses answers, as a seed says: the worst wire that a test can have."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, TypeVar

from tests.fakes.proxy import Exchange, Fault, Reply, cut_body, drop, lose_answer

T = TypeVar("T")

SHARE = 0.4
"""Of the calls that are spoiled."""

_PAGE = Reply(200, b"<html>Sign in to this network</html>", [("Content-Type", "text/html")])


class Liar:
    """Chooses what happens to each call, until it is told to stop.

    Args:
        seed: two of the same seed choose the same.
        honest: calls whose answers are never forged: nothing in them tells whose they are, so only
            TLS keeps them apart.

    Attributes:
        told: how often which fault was chosen.
    """

    def __init__(self, seed: int, honest: frozenset[str] = frozenset()) -> None:
        self._random, self._honest = random.Random(seed), honest
        self._earlier: dict[str, deque[Any]] = {}
        self.told: Counter[str] = Counter()
        self.stopped = False

    def choose(self, name: str, faults: tuple[Any, ...], forgeries: tuple[Any, ...]) -> Any:
        """One of the faults, or None."""
        if self.stopped or self._random.random() >= SHARE:
            return None
        fault = self._random.choice(faults if name in self._honest else faults + forgeries)
        self.told[fault.__name__] += 1
        return fault

    def choose_http(self, names: set[str]) -> Fault | None:
        """What a proxy does to a call that has these names."""
        fault = self.choose(_join(names), FAULTS, FORGERIES)
        return fault and (lambda exchange: fault(exchange, self))

    def pick(self, among: Sequence[T]) -> T:
        """One of them."""
        return self._random.choice(among)

    def swap(self, name: str, answer: T) -> T:
        """Keep the answer of this call for later, and give one of this call or an earlier one."""
        self._earlier.setdefault(name, deque(maxlen=20)).append(answer)
        return self.recall(name) or answer

    def recall(self, name: str) -> Any:
        """An answer of an earlier call, if one was kept."""
        return self.pick(self._earlier[name]) if name in self._earlier else None

    def damage(self, data: bytes) -> bytes:
        """The data with one bit of it changed."""
        if not data:
            return data
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]


def be_dropped(exchange: Exchange, liar: Liar) -> None:
    drop(exchange)


def lose(exchange: Exchange, liar: Liar) -> None:
    lose_answer(exchange)


def cut(exchange: Exchange, liar: Liar) -> None:
    cut_body(exchange)


def cut_head(exchange: Exchange, liar: Liar) -> None:
    status = exchange.forward().status
    exchange.wfile.write(f"HTTP/1.1 {status} OK\r\nContent-Le".encode())
    exchange.drop()


def fail(exchange: Exchange, liar: Liar) -> None:
    exchange.answer(Reply(liar.pick((429, 500, 502, 503)), b"<html>not now</html>"))


def fail_after_it_was_done(exchange: Exchange, liar: Liar) -> None:
    exchange.forward()
    fail(exchange, liar)


def repeat_the_request(exchange: Exchange, liar: Liar) -> None:
    exchange.forward()
    exchange.answer(exchange.forward())


def repeat_the_answer(exchange: Exchange, liar: Liar) -> None:
    """The second would be read as the answer to the next call of the connection."""
    exchange.answer(exchange.forward(), times=2)


def say_yes(exchange: Exchange, liar: Liar) -> None:
    """Say that it was done, and do nothing."""
    exchange.answer(Reply(liar.pick((200, 201, 202, 204))))


def show_a_page(exchange: Exchange, liar: Liar) -> None:
    exchange.answer(_PAGE)


def damage_the_request(exchange: Exchange, liar: Liar) -> None:
    exchange.body = liar.damage(exchange.body)
    exchange.answer(exchange.forward())


def damage_the_answer(exchange: Exchange, liar: Liar) -> None:
    reply = exchange.forward()
    reply.body = liar.damage(reply.body)
    exchange.answer(reply)


def answer_another_call(exchange: Exchange, liar: Liar) -> None:
    """Do it, and give the answer that an earlier call got."""
    exchange.answer(liar.swap(_join(exchange.names()), exchange.forward()))


def answer_another_call_instead(exchange: Exchange, liar: Liar) -> None:
    """Do nothing, and give the answer that an earlier call got."""
    earlier = liar.recall(_join(exchange.names()))
    exchange.answer(earlier) if earlier else exchange.drop()


FAULTS = (
    *(be_dropped, lose, cut, cut_head, fail, fail_after_it_was_done),
    *(repeat_the_request, repeat_the_answer, say_yes, show_a_page, damage_the_request),
)
FORGERIES = (damage_the_answer, answer_another_call, answer_another_call_instead)


def _join(names: set[str]) -> str:
    return " ".join(sorted(names))
