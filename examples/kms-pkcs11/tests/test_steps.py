"""A mistake in this plugin is told as one, and nobody is told to try again."""

from __future__ import annotations

from typing import Any

import pytest
from kms_core import BackendContractError
from kms_core.testing import Client
from softhsm import SoftHsm

MISTAKES = [AttributeError, KeyError, TypeError, ValueError]
STEPS = {
    "login": "kms_pkcs11.client._load",
    "call": "kms_pkcs11.kek._gcm",
    "reply": "kms_pkcs11.kek.Pkcs11Kek._enabled",
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("step", STEPS)
def test_a_mistake_is_no_outage(
    softhsm: SoftHsm,
    key: str,
    step: str,
    mistake: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def oops(*_: object, **__: object) -> Any:
        raise mistake("oops")

    client = Client(softhsm.open_kek(key), "kms")
    monkeypatch.setattr(STEPS[step], oops)
    error = client.refuse(
        BackendContractError, "wrap_dek", "with a mistake", dek=bytes(32), context={}
    )
    assert "kms_pkcs11" in str(error)
    assert not error.retryable
