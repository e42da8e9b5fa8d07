"""Whether the history of one DEK could have happened one call after the other: linearizability.

The search is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory
of what was tried ("Testing for Linearizability", 2017). A dek_id is a register of its own: it has
no DEK, or one that was never there before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

MISSING, EXISTS, DONE, UNKNOWN = "missing", "exists", "done", "unknown"

_NOTHING = ""
_UNSEEN = "a DEK that nobody was given"


class Call(NamedTuple):
    """One call of the history.

    Attributes:
        kind: ``get``, ``ensure`` (which creates a DEK where there is none), ``create``, ``rewrap``
            or ``delete``.
        begin: when it was made, on a clock that all callers share.
        end: when it returned. One that is unknown may take effect at any time from ``begin`` on,
            or never.
        outcome: the DEK that it returned, or one of the words above.
    """

    kind: str
    begin: float
    end: float
    outcome: str


class _State(NamedTuple):
    """How far a search is.

    Attributes:
        done: the calls of known outcome that are behind it, as bits.
        dek: what is stored then.
        creates: how many creates of unknown outcome have taken effect.
        deletes: likewise.
    """

    done: int = 0
    dek: str = _NOTHING
    creates: int = 0
    deletes: int = 0

    def leaves_no_less_than(self, other: _State) -> bool:
        """Whether no fewer calls of unknown outcome are left, the rest being equal."""
        return self.creates <= other.creates and self.deletes <= other.deletes


def is_linearizable(history: Sequence[Call]) -> bool:
    """Whether each call can have taken effect at one moment between its begin and its end."""
    search = _Search(history)
    states, tried = [_State()], dict[tuple[int, str], list[_State]]()
    while states:
        state = search.read_on(states.pop())
        if state.done == search.all_done:
            return True
        alike = tried.setdefault((state.done, state.dek), [])
        if not any(other.leaves_no_less_than(state) for other in alike):
            alike.append(state)
            states += search.next_states(state)
    return False


class _Search:
    """Calls of unknown outcome matter only where they explain a known one: right before it."""

    def __init__(self, history: Sequence[Call]) -> None:
        self.calls = sorted((c for c in history if c.outcome != UNKNOWN), key=lambda call: call.end)
        self.all_done = (1 << len(self.calls)) - 1
        lost = sorted((c for c in history if c.outcome == UNKNOWN), key=lambda call: call.begin)
        self.creates = [call.begin for call in lost if call.kind in {"create", "ensure"}]
        self.deletes = [call.begin for call in lost if call.kind == "delete"]
        self.seen_by: dict[str, int] = {}
        for number, call in enumerate(self.calls):
            if call.outcome not in {MISSING, EXISTS, DONE}:
                self.seen_by[call.outcome] = self.seen_by.get(call.outcome, 0) | 1 << number
        self.unclaimed = {*self.seen_by} - {c.outcome for c in self.calls if c.kind == "create"}

    def read_on(self, state: _State) -> _State:
        """Do what is possible now and changes nothing: later it would be no better."""
        more = True
        while more:
            more = False
            for number, call in self._candidates(state.done):
                if call.kind != "delete" and self._after(call, state.dek, state.done) == state.dek:
                    state, more = state._replace(done=state.done | 1 << number), True
        return state

    def next_states(self, state: _State) -> list[_State]:
        """Where one more call of known outcome leads; what needs no unknown one comes last."""
        found = []
        # Of equal calls that may be next, the one that ended first leaves the most to choose.
        among = {call[0::3]: (n, call) for n, call in reversed(self._candidates(state.done))}
        for before, (number, call) in product(self._lost(state), [*among.values()][::-1]):
            if before is not state and call.kind == "delete" and call.outcome == DONE:
                continue  # which needs none
            dek = self._after(call, before.dek, state.done)
            if dek is not None:
                found.append(before._replace(done=state.done | 1 << number, dek=dek))
        return found[::-1]

    def _candidates(self, done: int) -> list[tuple[int, Call]]:
        """The calls that may be next: no other ended before they began."""
        left = [(n, call) for n, call in enumerate(self.calls) if not done >> n & 1]
        return [(number, call) for number, call in left if call.begin < left[0][1].end]

    def _lost(self, state: _State) -> Iterator[_State]:
        """The state, and what calls of unknown outcome can make of it by now."""
        yield state
        now = next(call.end for n, call in enumerate(self.calls) if not state.done >> n & 1)
        may_go = not self.seen_by.get(state.dek, 0) & ~state.done
        if state.dek and may_go and any(begin < now for begin in self.deletes[state.deletes :]):
            state = state._replace(dek=_NOTHING, deletes=state.deletes + 1)
            yield state
        if not state.dek and any(begin < now for begin in self.creates[state.creates :]):
            fresh = [dek for dek in self.unclaimed if not self.seen_by[dek] & state.done]
            for dek in (_UNSEEN, *fresh):
                yield state._replace(dek=dek, creates=state.creates + 1)

    def _after(self, call: Call, dek: str, done: int) -> str | None:
        """What is stored after the call, or None where it would have had another outcome."""
        if call.outcome == MISSING:
            return None if dek else dek
        if call.outcome == DONE and call.kind == "delete":
            # Also where another was first: nobody is told who it was. Who goes never comes back.
            return None if self.seen_by.get(dek, 0) & ~done else _NOTHING
        if call.outcome in {EXISTS, DONE}:
            return dek or None
        if call.kind != "create" and dek == call.outcome:
            return dek
        may_make = call.kind in {"create", "ensure"} and not self.seen_by[call.outcome] & done
        return call.outcome if may_make and not dek else None
