"""What a client takes of its service: time, attempts, connections; and what others see of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle, islice
from time import monotonic
from typing import Any

import pytest

from kms_core._racing import RACERS, race
from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, expect, skip_without
from kms_core.testing._harness.leaks import Secret, search
from kms_core.testing._harness.traces import traces
from kms_core.testing._harness.wire import Fault, FaultyWire
from kms_core.testing.checks.errors import Requests
from kms_core.testing.checks.wire import FAILED, WireChecks, deks_of

_REQUEST_LINE = re.compile(rb"[A-Z]+ (\S+) HTTP/1")
_CREDENTIALS = re.compile(rb"(?im)^authorization: *\S+ +(\S{8,})\r?$")


class WireLimitChecks(WireChecks):
    """The part of the suites about what is too much."""

    @pytest.mark.parametrize("fault", ["drips the answer", "asks to wait"])
    @clause(BackendSpec)
    def test_slow_service(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, fault: Fault
    ) -> None:
        """A call ends at a deadline, also if a byte comes now and then, or a request to wait long.

        Core keeps the deadline of a backend whose Config derives from ServiceConfig.

        Cure: derive Config from ServiceConfig; a time limit for each read is none for the call.
        """
        client, requests = through(), self.requests(fresh())
        if client.has_deadline:
            return
        ask_all(lambda: client, requests)
        wire.spoil(fault)
        begun = monotonic()
        race([partial(client.finish, hook, **needs) for hook, needs in requests.items()])
        waited = wire.outwaited or monotonic() - begun > wire.patience
        told = f"every hook over a wire that {fault}: whether it waits on and on"
        expect(told, expected=False, seen=waited)

    @clause(BackendSpec)
    def test_busy_connections(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """Where all connections hang, 16 calls at once say so, and nothing of what is stored.

        A pool of connections that is exhausted is a failure of its own.

        Cure: name what your SDK raises when its pool has no connection left in an ErrorTable, as
        ThrottledError or UnavailableError.
        """
        client, requests = through(), self.requests(fresh())
        ask_all(lambda: client, requests)
        wire.spoil("hangs")
        calls = [*islice(cycle(requests.items()), RACERS)]
        refuse, when = partial(client.refuse, FAILED), "as one of 16 calls over a wire that hangs"
        race([partial(refuse, hook, when, **needs) for hook, needs in calls])

    @pytest.mark.parametrize("fault", ["answers HTTP 503", "loses the answer"])
    @clause(BackendSpec)
    def test_attempts(
        self, fresh: Fresh, harness: Any, wire: FaultyWire, through: Fresh, fault: Fault
    ) -> None:
        """Makes a call no more often than maxAttempts allows, the first one included.

        Cure: hand maxAttempts over to your SDK, whose own word may count the attempts after the
        first; or make each call once.
        """
        most, client, requests = (
            skip_without(harness, "attempts"),
            through(),
            self.requests(fresh()),
        )
        ask_all(lambda: client, requests)
        wire.spoil(fault)
        for hook, needs in requests.items():
            before = len(wire.asked)
            client.refuse(FAILED, hook, f"over a wire that {fault}", **needs)
            made = len(wire.asked) - before
            told = f"{hook} over a wire that {fault}: attempts beyond {most}"
            expect(told, 0, max(0, made - most))

    @clause(BackendSpec)
    def test_urls_show_no_secret(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, secrets: Sequence[Secret]
    ) -> None:
        """No URL holds a credential or key bytes: servers and proxies write URLs into their logs.

        Seen where endpoint is plain http.

        Cure: send what is secret in a header or in the body.
        """
        requests = self.requests(fresh())
        ask_all(through, requests)
        lines = filter(None, map(_REQUEST_LINE.match, wire.asked))
        urls = [("the URL of a request", line[1].decode("latin-1")) for line in lines]
        logins = {found.decode("latin-1") for a in wire.asked for found in _CREDENTIALS.findall(a)}
        search("every hook", urls, [*secrets, *sorted(logins), *deks_of(requests)])

    @clause(BackendSpec)
    def test_failures_leave_no_secret(
        self,
        fresh: Fresh,
        wire: FaultyWire,
        through: Fresh,
        secrets: Sequence[Secret],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """What it logs, prints or writes of a call that fails shows no key bytes and no credential.

        Cure: log no request and no response, least of all where they fail; put the calls of your
        SDK into ``mute_logging``.
        """
        client, requests = through(), self.requests(fresh())
        ask_all(lambda: client, requests)
        with traces(capsys) as texts:
            for fault in ("loses the answer", "answers HTTP 401", "answers HTTP 500"):
                wire.spoil(fault)
                ask_all(lambda: client, requests)
                ask_all(through, requests)  # whose login is what fails
        search("every hook", texts, [*secrets, *deks_of(requests)])


def ask_all(opens: Callable[[], Client], requests: Requests) -> None:
    """Call each hook once, whatever comes of it."""
    with suppress(KmsError):
        client = opens()
        for hook, arguments in requests.items():
            with suppress(KmsError):
                client.finish(hook, **arguments)
