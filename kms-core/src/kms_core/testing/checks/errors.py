"""The checks of the errors that a backend raises: where they say it was, and what they show."""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import pytest

from kms_core._tracebacks import clear_locals
from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import AccessDeniedError, KmsError, UnavailableError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, clients, named, shown, skip_without
from kms_core.testing._harness.harness import given
from kms_core.testing._harness.leaks import Secret, carried_texts, error_texts, search
from kms_core.testing._harness.wire import at_port
from kms_core.testing.checks.shared import BackendChecks

Open: TypeAlias = Callable[[], BackendSpec]
Requests: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Arguments for each hook that asks the service."""


class ErrorChecks(BackendChecks):
    """The part of the suites about errors. Only an observer raises none of its own."""

    @pytest.fixture
    def open_nowhere(self, harness: Any) -> Iterator[Open | None]:
        """Opens a client of a service that is not there, as at a port that is closed."""
        open_at = given(harness, "open_at")
        with socket.socket() as reserved:  # nobody listens there
            reserved.bind(("127.0.0.1", 0))
            nowhere = partial(at_port, given(harness, "endpoint"), reserved.getsockname()[1])
            opens = (lambda: open_at(nowhere())) if open_at else None
            yield harness.open_unreachable or opens

    @abstractmethod
    def requests(self, client: Client) -> Requests:
        """What this client, which reaches the service and may do it all, would be answered."""

    @clause(BackendSpec)
    def test_unreachable(
        self, fresh: Fresh, harness: Any, open_nowhere: Open | None, secrets: Sequence[Secret]
    ) -> None:
        """Every hook raises UnavailableError if the service is not reached, or opening does.

        Cure: name the classes that your SDK raises when it does not connect in an
        ErrorTable, as UnavailableError.
        """
        open_client = skip_without(harness, "open_unreachable", open_nowhere)
        when = "of a service that is not there"
        for error in self._refusals(fresh, open_client, UnavailableError, when):
            search_error(error, secrets)

    @clause(BackendSpec)
    def test_forbidden(self, fresh: Fresh, harness: Any, secrets: Sequence[Secret]) -> None:
        """Every hook raises AccessDeniedError if it is not allowed, or opening does.

        Cure: name what your SDK raises at a refusal in an ErrorTable, as AccessDeniedError
        with the permission that is missing.
        """
        open_client = skip_without(harness, "open_forbidden")
        for error in self._refusals(fresh, open_client, AccessDeniedError, "that is not allowed"):
            search_error(error, secrets)

    def _refusals(
        self, fresh: Fresh, open_client: Open, kind: type[KmsError], when: str
    ) -> Iterator[KmsError]:
        allowed = fresh()
        requests = self.requests(allowed)
        allowed.close()  # a process may have one login for all of its clients
        with clients(open_client, self.scheme) as unusable:
            try:
                client = unusable()
            except kind as error:
                yield error
                return
            except KmsError as error:
                seen = f"{shown(error)} when opened"
                raise AssertionError(
                    f"every hook {when}: expected {named(kind)}, saw {seen}"
                ) from error
            for hook, arguments in requests.items():
                yield client.refuse(kind, hook, when, **arguments)

    @clause(BackendSpec)
    def test_errors_say_where(self, fresh: Fresh) -> None:
        """Each error names this backend, the hook and the dek_id that was asked for.

        Cure: raise new errors, and leave backend, operation and dek_id to core.
        """
        self.provoke(fresh)  # refuse() looks at each of them

    @clause(BackendSpec)
    def test_errors_show_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """No message holds key bytes or a credential, the SDK's errors behind it included.

        Cure: write messages of your own, and chain nothing that quotes a request: ``raise …
        from None``.
        """
        errors, deks = self.provoke(fresh)
        for error in errors:
            search(str(error.operation), error_texts(error), [*secrets, *deks])

    @clause(BackendSpec)
    def test_errors_carry_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """What leaves core carries no key bytes and no credential for an error reporter to show.

        Core clears the local variables of every frame; an error's attributes it cannot clear.

        Cure: chain no error that holds its request or its response: ``raise … from None``,
        and set no attribute.
        """
        errors, deks = self.provoke(fresh)
        for error in errors:
            clear_locals(error)
            search(str(error.operation), carried_texts(error), [*secrets, *deks])


def search_error(error: KmsError, secrets: Sequence[Secret]) -> None:
    """Fail if anything that the error says or carries is secret."""
    where = str(error.operation)
    search(where, error_texts(error), secrets)
    clear_locals(error)
    search(where, carried_texts(error), secrets)
