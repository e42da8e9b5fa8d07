"""What a client does with its login and its connections, from opening to close."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import AuthenticationError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, clients, expect, shown, skip_without
from kms_core.testing._harness.elsewhere import elsewhere
from kms_core.testing._harness.leaks import Secret, search
from kms_core.testing._harness.wire import FaultyWire
from kms_core.testing.checks.errors import Open, Requests
from kms_core.testing.checks.wire import WireChecks

_LONG = 10
"""Seconds after which a connection that was closed is so on a busy machine too."""


class SessionChecks(WireChecks):
    """The part of the suites about logins and connections."""

    @clause(BackendSpec)
    def test_expired_credentials(self, fresh: Fresh, harness: Any) -> None:
        """A client whose token has ended goes on, or raises AuthenticationError: core then opens it
        again.

        A program runs for longer than any token lives.

        Cure: where the service refuses the token, log in again and repeat the call once; or name
        the refusal as AuthenticationError.
        """
        expire, client = skip_without("expire_credentials", harness.expire_credentials), fresh()
        for hook, arguments in self.requests(client).items():
            if hook == "delete_record":  # of a revision that replace_record has changed
                continue
            expire()
            try:
                client.finish(hook, **arguments)
            except AuthenticationError:
                client = fresh()
            except KmsError as error:
                raise AssertionError(
                    f"{hook} once the token has ended: expected an answer or AuthenticationError, "
                    f"saw {shown(error)}"
                ) from error

    @clause(BackendSpec)
    def test_redirect(
        self, fresh: Fresh, wire: FaultyWire, open_through: Open | None, secrets: Sequence[Secret]
    ) -> None:
        """No credential and no DEK goes where a redirect leads, which is not the service.

        Cure: follow no redirect: turn it off in your HTTP client, and take 3xx for a failure.
        """
        open_client, requests = skip_without("open_at", open_through), self.requests(fresh())
        deks = [needs["dek"] for needs in requests.values() if "dek" in needs]
        with clients(open_client, self.scheme) as through, elsewhere() as other:
            warm = through()
            _ask_all(lambda: warm, requests)
            wire.spoil(f"redirects to {other.url}")
            _ask_all(lambda: warm, requests)
            _ask_all(through, requests)
            texts = [("what it sent to whom a redirect names", text) for text in other.heard]
        search("every hook", texts, [*secrets, *deks])

    @clause(BackendSpec.close)
    def test_close_ends_connections(
        self, fresh: Fresh, wire: FaultyWire, open_through: Open | None
    ) -> None:
        """Ends the client's connections: core closes and opens a client again whose login is over.

        Cure: close the client of your SDK, with its pool of connections.
        """
        open_client, requests = skip_without("open_at", open_through), self.requests(fresh())
        with clients(open_client, self.scheme) as through:
            client = through()
            _ask_all(lambda: client, requests)
            client.close()
            gc.collect()  # the traceback of an error, in a cycle with it, may hold a connection
            until = monotonic() + _LONG
            while wire.open and monotonic() < until:
                sleep(0.01)
            expect("close: how many connections stay open", 0, wire.open)


def _ask_all(opens: Callable[[], Client], requests: Requests) -> None:
    with suppress(KmsError):
        client = opens()
        for hook, arguments in requests.items():
            with suppress(KmsError):
                client.finish(hook, **arguments)
