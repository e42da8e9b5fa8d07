"""The kit of kms_core.testing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kms_core.testing import KekConformance
from pkcs11 import Attribute
from softhsm import PIN, SO_PIN, SoftHsm

from kms_pkcs11.kek import Pkcs11Kek

Open = Callable[[], Pkcs11Kek]


class TestPkcs11Kek(KekConformance):
    @pytest.fixture
    def open_kek(self, softhsm: SoftHsm, key: str) -> Open:
        return lambda: softhsm.open_kek(key)

    @pytest.fixture
    def open_other_kek(self, softhsm: SoftHsm) -> Open:
        other = softhsm.make_key()
        return lambda: softhsm.open_kek(other)

    @pytest.fixture
    def rotate_kek(self, softhsm: SoftHsm, key: str) -> Callable[[], object]:
        return lambda: softhsm.make_key(key, b"\2")

    @pytest.fixture
    def open_missing_kek(self, softhsm: SoftHsm) -> Open:
        return lambda: softhsm.open_kek("missing")

    @pytest.fixture
    def open_forbidden(self, softhsm: SoftHsm, key: str) -> Open:
        return lambda: softhsm.open_kek(key, pin="another-pin-of-nobody")

    @pytest.fixture
    def disable_kek(self, softhsm: SoftHsm, key: str) -> Callable[[], object]:
        return lambda: softhsm.set_attribute(key, Attribute.DECRYPT, value=False)

    @pytest.fixture
    def secrets(self) -> list[str]:
        return [PIN, SO_PIN]
