"""Any KEK goes with any storage: all nine pairs of the three clouds."""

from __future__ import annotations

from typing import Any

import pytest

from kms_core import DekNotFoundError, open_kms


def test_a_kek_over_a_storage(kek: dict[str, Any], storage: dict[str, Any]) -> None:
    with open_kms(kek, storage) as kms:
        dek = kms.get_dek("volume-42", create=True)
        assert kms.get_dek("volume-43", size=64, create=True) != dek
    with open_kms(kek, storage) as kms:
        assert kms.get_dek("volume-42", create=False) == dek
        assert sorted(kms.list_dek_ids()) == ["volume-42", "volume-43"]
        with pytest.raises(DekNotFoundError):
            kms.get_dek("volume-44", create=False)
