"""What a client does with its login, and to whom it shows that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest

from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import AuthenticationError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Fresh, clients, expect, shown, skip_without
from kms_core.testing._harness.elsewhere import elsewhere
from kms_core.testing._harness.leaks import Secret, search
from kms_core.testing._harness.wire import FaultyWire, at_port
from kms_core.testing.checks.wire import deks_of
from kms_core.testing.checks.wire_limits import WireLimitChecks, ask_all


class SessionChecks(WireLimitChecks):
    """The part of the suites about logins, and about whom a client trusts."""

    @clause(BackendSpec)
    def test_expired_credentials(self, fresh: Fresh, harness: Any) -> None:
        """A client whose token has ended goes on, or raises AuthenticationError: core then opens it
        again, and the new client answers.

        A program runs for longer than any token lives.

        Cure: where the service refuses the token, log in again and repeat the call once; or name
        the refusal as AuthenticationError, and keep no token outside of the client.
        """
        expire, client = skip_without(harness, "expire_credentials"), fresh()
        for hook, arguments in self.requests(client).items():
            if hook == "delete_record":  # of a revision that replace_record has changed
                continue
            expire()
            try:
                client.finish(hook, **arguments)
            except AuthenticationError:
                client = fresh()
                client.answer(
                    hook, "of a client that is opened once the token has ended", **arguments
                )
            except KmsError as error:
                raise AssertionError(
                    f"{hook} once the token has ended: expected an answer or AuthenticationError, "
                    f"saw {shown(error)}"
                ) from error

    @clause(BackendSpec)
    def test_redirect(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, secrets: Sequence[Secret]
    ) -> None:
        """No credential and no DEK goes where a redirect leads, which is not the service.

        Cure: follow no redirect: turn it off in your HTTP client, and take 3xx for a failure.
        """
        requests = self.requests(fresh())
        deks = deks_of(requests)
        with elsewhere() as other:
            warm = through()
            ask_all(lambda: warm, requests)
            wire.spoil(f"redirects to {other.url}")
            ask_all(lambda: warm, requests)
            ask_all(through, requests)
            texts = [("what it sent to whom a redirect names", text) for text in other.heard]
        search("every hook", texts, [*secrets, *deks])

    @clause(BackendSpec)
    def test_unproven_server(self, fresh: Fresh, harness: Any) -> None:
        """Over TLS nothing is sent to a server that cannot prove its name.

        Cure: leave the check of certificates on; let users give a CA of their own as a parameter.
        """
        open_at, endpoint = skip_without(harness, "open_at"), skip_without(harness, "endpoint")
        if not endpoint.startswith("http"):
            pytest.skip("endpoint is no URL of http, so the kit does not know how it begins TLS")
        requests = self.requests(fresh())
        with elsewhere(over_tls=True) as other:
            url = urlsplit(at_port(endpoint, other.server_port))._replace(scheme="https").geturl()
            with clients(lambda: open_at(url), self.scheme, self.wire_patience) as unproven:
                ask_all(unproven, requests)
            heard = len(other.heard)
        told = "every hook: how many requests a server gets whose certificate nobody trusts"
        expect(told, 0, heard)
