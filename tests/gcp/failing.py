"""What a test expects of a call that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kms_core import KmsError


def fails(kind: type[KmsError], call: Callable[[], object], *, retryable: bool = False) -> KmsError:
    """The error of this very kind that the call raises."""
    with pytest.raises(KmsError) as caught:
        call()
    assert type(caught.value) is kind, repr(caught.value)
    assert caught.value.retryable is retryable
    return caught.value
