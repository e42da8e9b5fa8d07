"""Names of objects: reversible, readable, and safe wherever an object store puts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms_core import MAX_DEK_ID_SIZE
from kms_core.backend import decode_object_name, encode_object_name, encode_object_prefix
from kms_core.testing import STRANGE_IDS

dek_ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(
    lambda text: len(text.encode()) <= MAX_DEK_ID_SIZE
) | st.sampled_from(STRANGE_IDS)


def test_ordinary_ids_are_readable() -> None:
    dek_id = "key-00000000-0000-0000-0000-000000000000"
    assert encode_object_name(dek_id) == f"{dek_id}.json"
    assert encode_object_name("volume/é~") == "volume~2F~C3~A9~7E.json"


@given(dek_ids, dek_ids)
def test_names_are_reversible(one: str, other: str) -> None:
    name = encode_object_name(one)
    assert decode_object_name(name) == one
    assert (name == encode_object_name(other)) == (one == other)
    assert name.startswith(encode_object_prefix(one))
    assert encode_object_name(one + other).startswith(encode_object_prefix(one))


@given(dek_ids)
def test_names_are_safe_in_urls_and_as_files(dek_id: str) -> None:
    name = encode_object_name(dek_id)
    assert set(name) <= set(map(chr, range(33, 127))) - set("%?#&+\\:")
    segments = name.split("/")
    assert all(0 < len(segment) <= 255 and segment not in {".", ".."} for segment in segments)
    assert len(name) <= 800


@pytest.mark.parametrize(
    "name", ["a", ".json", "~61.json", "a~2f.json", "a/b.json", "~FF.json", "\udc80.json"]
)
def test_names_of_nobody(name: str) -> None:
    assert decode_object_name(name) is None
