"""A mistake in this plugin is told as one, and nobody is told to try again."""

from __future__ import annotations

from typing import Any

import pytest
from kms_core import BackendContractError
from kms_core.testing import Client

from kms_pkcs11.config import Pkcs11KekConfig
from kms_pkcs11.kek import Pkcs11Kek


def oops(*_: object, **__: object) -> Any:
    nothing: Any = None
    return nothing.oops


@pytest.mark.parametrize("step", ["kms_pkcs11.client._load", "kms_pkcs11.client.pkcs11.lib"])
def test_a_mistake_at_the_login_is_no_outage(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, oops)
    config = Pkcs11KekConfig.from_parameters(
        {"module": "/no/such/module.so", "token": "none", "key": "none", "pin": "1234"}
    )
    client = Client(Pkcs11Kek(config), "kms")
    error = client.refuse(BackendContractError, "describe_kek", "with a mistake")
    assert "kms_pkcs11" in str(error)
    assert not error.retryable
