"""A rotation to another KEK, in the same cloud or another one, while programs run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kms_core import KekNotFoundError, Kms, open_kek, open_kms
from tests.pairs.conftest import CLOUDS, make_kek

CONTEXT = {"purpose": "x"}


@pytest.fixture(params=CLOUDS)
def new(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the config says of the KEK that takes over."""
    return make_kek(request, request.param)


def test_from_kek_to_kek(kek: dict[str, Any], new: dict[str, Any], tmp_path: Path) -> None:
    """Old; old and new; new and old; new: each reads what the ones beside it make."""
    storage = f"storage://file?path={tmp_path}/deks&createFolder=true"
    deks: dict[str, bytes] = {}

    def make(kms: Kms, dek_id: str) -> None:
        deks[dek_id] = kms.create_dek(dek_id)

    def reads_all(kms: Kms) -> bool:
        return {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks

    with open_kms(kek, storage) as before, open_kms([kek, new], storage) as prepared:
        make(before, "before")
        make(prepared, "prepared")
        assert reads_all(before)
        with open_kms([new, kek], storage) as turned:
            make(turned, "turned")
            assert reads_all(prepared)
            assert reads_all(turned)
            done = {one.dek_id: one.outcome for one in turned.rewrap_deks()}
            assert done == {"before": "done", "prepared": "done", "turned": "unchanged"}
        assert reads_all(prepared)
        with open_kms(new, storage) as after:
            make(after, "after")
            assert reads_all(after)
        with pytest.raises(KekNotFoundError):
            before.get_dek("before")


def test_a_blob_opens_by_the_kek_that_wrapped_it(kek: dict[str, Any], new: dict[str, Any]) -> None:
    with open_kek(kek) as old, open_kek([new, kek]) as both:
        blobs = [old.wrap(b"data", CONTEXT), both.wrap(b"data", CONTEXT)]
        assert [both.unwrap(blob, CONTEXT) for blob in blobs] == [b"data", b"data"]
        with pytest.raises(KekNotFoundError):
            old.unwrap(blobs[1], CONTEXT)
