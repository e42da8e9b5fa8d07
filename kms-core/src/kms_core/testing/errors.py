"""The checks of the errors that a backend raises: where they say it was, and what they show."""

from __future__ import annotations

from collections.abc import Sequence

from kms_core.hookspecs import BackendSpec
from kms_core.testing.clauses import clause
from kms_core.testing.client import Fresh
from kms_core.testing.leaks import Secret, carried_texts, error_texts, search
from kms_core.testing.shared import BackendChecks
from kms_core.tracebacks import clear_locals


class ErrorChecks(BackendChecks):
    """The part of the suites about errors. Only an observer raises none of its own."""

    @clause(BackendSpec)
    def test_errors_say_where(self, fresh: Fresh) -> None:
        """Each error names this backend, the hook and the dek_id that was asked for."""
        self.provoke(fresh)  # refuse() looks at each of them

    @clause(BackendSpec)
    def test_errors_show_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """No message holds key bytes or a credential, the SDK's errors behind it included."""
        errors, deks = self.provoke(fresh)
        for error in errors:
            search(str(error.operation), error_texts(error), [*secrets, *deks])

    @clause(BackendSpec)
    def test_errors_carry_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """What leaves core carries no key bytes and no credential for an error reporter to show.

        Core clears the local variables of every frame; an error's attributes it cannot clear.
        """
        errors, deks = self.provoke(fresh)
        for error in errors:
            clear_locals(error)
            search(str(error.operation), carried_texts(error), [*secrets, *deks])
