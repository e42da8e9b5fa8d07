"""kms auth-key, of a KEK that takes none; tests/azure has one that does."""

from __future__ import annotations

from tests.cli.running import Kms


def test_kek_that_needs_none(kms: Kms) -> None:
    assert kms("init").code == 0
    refused = kms("auth-key")
    assert (refused.code, refused.output) == (2, "")
    assert refused.error == "kms://local takes no authKey: it needs none"
