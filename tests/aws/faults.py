"""What may go wrong with a call, and how a backend has to fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kms_core import ConflictError, KmsError, ThrottledError, UnavailableError
from kms_core._causes import hide_foreign_errors
from kms_core._tracebacks import clear_locals
from kms_core.testing._harness.leaks import carried_texts, error_texts, search
from tests.fakes.aws.servers import ACCESS_KEY

PATIENT = {"connectTimeout": 60, "readTimeout": 60, "maxAttempts": 2}
"""For calls that are answered, or end by themselves, however busy this machine is."""
HANGING = PATIENT | {"readTimeout": 0.3}
"""For calls that hang, each of which takes so long."""
SOME_HANG = PATIENT | {"readTimeout": 1, "maxAttempts": 6}
"""For clients some of whose calls hang; the others have several attempts to be in time."""
SESSION_TOKEN = "a-session-token-of-this-test-and-nothing-else"
RETRYABLE = {ConflictError, ThrottledError, UnavailableError}


def fails(kind: type[KmsError], call: Callable[[], object]) -> KmsError:
    """The error of this very kind, which shows neither credentials nor what was signed."""
    with pytest.raises(KmsError) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    assert error.retryable is (kind in RETRYABLE)
    hide_foreign_errors(error, None)  # as core does with what leaves a backend
    clear_locals(error)
    search("the call", [*error_texts(error), *carried_texts(error)], [ACCESS_KEY, SESSION_TOKEN])
    return error
