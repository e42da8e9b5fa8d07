"""The kit of kms_core.testing."""

from __future__ import annotations

import pytest
from kms_core.testing import KekConformance, KekHarness
from pkcs11 import Attribute
from softhsm import PIN, SO_PIN, SoftHsm


class TestPkcs11Kek(KekConformance):
    @pytest.fixture
    def harness(self, softhsm: SoftHsm, key: str) -> KekHarness:
        other = softhsm.make_key()
        return KekHarness(
            open=lambda: softhsm.open_kek(key),
            open_other=lambda: softhsm.open_kek(other),
            open_missing=lambda: softhsm.open_kek("missing"),
            open_forbidden=lambda: softhsm.open_kek(key, pin="another-pin-of-nobody"),
            rotate=lambda: softhsm.make_key(key, b"\2"),
            destroy=lambda version: softhsm.destroy_key(key, bytes.fromhex(version)),
            disable=lambda: softhsm.set_attribute(key, Attribute.DECRYPT, value=False),
            secrets=[PIN, SO_PIN],
        )
