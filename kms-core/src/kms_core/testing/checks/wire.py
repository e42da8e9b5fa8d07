"""What a backend may say of a wire that fails: that it failed, and nothing of what is stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any, ClassVar, NamedTuple, TypeVar

import pytest

from kms_core._tracebacks import clear_locals
from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import (
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import (
    Fresh,
    answered,
    clients,
    expect,
    skip_without,
)
from kms_core.testing._harness.leaks import Secret
from kms_core.testing._harness.wire import MARK, Fault, FaultyWire
from kms_core.testing.checks.errors import ErrorChecks, Open, Requests, search_error

T = TypeVar("T")
FAILED = (UnavailableError, ThrottledError)
"""What a hook raises that does not know what became of its call."""

_FAULTS: tuple[Fault, ...] = (
    *("hangs", "is dropped before the request", "loses the answer", "cuts the answer"),
    *(f"answers HTTP {status}" for status in (429, 500, 502, 503)),
)
_WRITERS = {
    "create_record",
    "replace_record",
    "wrap_dek",
    "unwrap_dek",
    "rewrap_dek",
    "wrap_dek_under",
    "count_old_records",
}
_OF_GATEWAYS: tuple[Fault, ...] = tuple(
    f"answers HTTP {status}" for status in (400, 401, 403, 404, 409, 410, 412, 423)
)
_OF_WHAT_IS_STORED = (
    *(DekNotFoundError, DekExistsError, ConflictError),
    *(KekNotFoundError, KekDisabledError, UnwrapError),
)


class Questions(NamedTuple):
    """Calls of one hook, with the answer to each."""

    hook: str
    answers: Sequence[tuple[Mapping[str, Any], object]]


class WireChecks(ErrorChecks):
    """The part of the suites about the wire. Nobody derives DEKs or takes notes over one."""

    wire_patience: ClassVar[float] = 30
    """After how many seconds of a wire that hangs a client has no time limit."""

    @pytest.fixture
    def wire(self) -> Iterator[FaultyWire]:
        """A wire that leads to the service by ``wire.to(url)``, which returns another URL."""
        wire = FaultyWire(self.wire_patience)
        yield wire
        wire.close()

    wire_deadline: ClassVar[float] = inf
    """After how many seconds core ends a call over a wire. Set it, and derive Config from
    ServiceConfig, where the SDK has no time limit of its own."""

    @pytest.fixture
    def open_through(self, harness: Any, wire: FaultyWire) -> Open:
        """Opens a client of the service through the wire."""
        open_at, endpoint = skip_without(harness, "open_at"), skip_without(harness, "endpoint")
        opens = partial(open_at, wire.to(endpoint))
        told = "every hook over a sound wire: opening"
        return lambda: opens() if wire.fault else patiently(told, opens, wire.patience)

    @pytest.fixture
    def through(self, open_through: Open) -> Iterator[Fresh]:
        """Opens and binds a client that reaches the service through the wire."""
        with clients(open_through, self.scheme, self.wire_deadline) as through:
            yield through

    @abstractmethod
    def questions(self, fresh: Fresh) -> Questions:
        """Two calls that have different answers."""

    @pytest.mark.parametrize("fault", _FAULTS)
    @clause(BackendSpec)
    def test_faulty_wire(
        self,
        fresh: Fresh,
        wire: FaultyWire,
        through: Fresh,
        fault: Fault,
        secrets: Sequence[Secret],
    ) -> None:
        """Over a wire that fails every hook raises UnavailableError or ThrottledError, in time.

        Anything else says something of what is stored that nobody knows: at a DekNotFoundError core
        makes a new DEK, and at an UnwrapError somebody restores a backup.

        Cure: give each call a time limit, and name every error of the connection and every
        5xx in an ErrorTable, as UnavailableError.
        """
        requests = self.requests(fresh())
        deks = deks_of(requests)
        warm_up = next(iter(requests))
        client = through()
        for hook, arguments in requests.items():
            ask = partial(client.finish, warm_up, **requests[warm_up])
            patiently(f"{warm_up} once the wire is well", ask, wire.patience)
            wire.spoil(fault)
            error = client.refuse(FAILED, hook, f"over a wire that {fault}", **arguments)
            wire.spoil(None)
            search_error(error, [*secrets, *deks])
            expect_in_time(wire, hook)

    @pytest.mark.parametrize("fault", _OF_GATEWAYS)
    @clause(BackendSpec)
    def test_gateway_page(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, fault: Fault
    ) -> None:
        """A page that a gateway answers says nothing of what is stored, whatever its status.

        A gateway that has lost its route says 404: were that a DekNotFoundError, core would make a
        new DEK.

        Cure: take a status for an answer of your service only with what it alone sends,
        such as a code in a body of its form.
        """
        for hook, error in self._errors_over(fresh, wire, through, fault):
            kind = type(error).__name__ if isinstance(error, _OF_WHAT_IS_STORED) else None
            expect(f"{hook} over a wire that {fault}: what it says is stored", None, kind)

    @pytest.mark.parametrize("fault", ["answers HTTP 404", "answers HTTP 502"])
    @clause(BackendSpec)
    def test_page_is_not_quoted(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, fault: Fault
    ) -> None:
        """No message quotes what a gateway answers: it may be long, and hold what a terminal obeys.

        Cure: tell the status, and a code that you check by a pattern; quote no text of an answer.
        """
        for hook, error in self._errors_over(fresh, wire, through, fault):
            told = f"{hook} over a wire that {fault}: whether it quotes the page"
            expect(told, expected=False, seen=MARK in str(error))

    def _errors_over(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, fault: Fault
    ) -> Iterator[tuple[str, KmsError]]:
        """Each hook, and what it raises over the wire that fails."""
        requests = self.requests(fresh())
        client = through()
        for hook, arguments in requests.items():
            wire.spoil(fault)
            error = client.refuse(KmsError, hook, f"over a wire that {fault}", **arguments)
            wire.spoil(None)
            yield hook, error
            clear_locals(error)  # as core does; they may hold the connection

    @clause(BackendSpec)
    def test_page_of_a_portal(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """A page with status 200, as a captive portal has it, proves nothing: no hook takes it.

        Cure: demand of each answer something that the service alone can know, such as an ETag or a
        field of JSON.
        """
        requests = self.requests(fresh())
        client = through()
        for hook in _WRITERS & requests.keys():
            wire.spoil("answers HTTP 200")
            when = "over a wire that answers any page"
            error = client.refuse(KmsError, hook, when, **requests[hook])
            wire.spoil(None)
            kind = type(error).__name__ if isinstance(error, _OF_WHAT_IS_STORED) else None
            expect(f"{hook} {when}: what it says is stored", None, kind)

    @clause(BackendSpec)
    def test_hang_at_opening(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """Opening ends in time where the service hangs: with an error that says so, or a client.

        Cure: give what you ask at opening a time limit too, or ask nothing there.
        """
        self.use(fresh())
        wire.spoil("hangs")
        with suppress(*FAILED):
            through()
        expect_in_time(wire, "opening")

    @clause(BackendSpec)
    def test_late_answer(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """An answer that comes too late is never taken for that to the next call.

        Cure: close a connection whose answer did not come in time; use it for no other
        call.
        """
        hook, answers = self.questions(fresh)
        client = through()
        patiently(hook, partial(client.finish, hook, **answers[0][0]), wire.patience)
        wire.spoil("answers late", times=1)
        for arguments, answer in answers:
            with suppress(*FAILED):
                seen = client.call(hook, **arguments)
                expect(f"{hook} after an answer that came too late", answer, seen)
        expect_in_time(wire, hook)


def deks_of(requests: Requests) -> Sequence[bytes]:
    """The DEKs that the hooks are given."""
    return [needs["dek"] for needs in requests.values() if "dek" in needs]


def patiently(clause: str, ask: Callable[[], T], patience: float) -> T:
    """Ask until there is an answer: on a busy machine a short time limit ends a sound call too."""
    until = monotonic() + patience
    while monotonic() < until:
        with suppress(*FAILED):
            return ask()
    return answered(clause, ask)


def expect_in_time(wire: FaultyWire, hook: str) -> None:
    """Fail if a client waited on and on."""
    expect(
        f"{hook} over a wire that hangs: whether it waits on and on; give each call a time limit",
        expected=False,
        seen=wire.outwaited,
    )
