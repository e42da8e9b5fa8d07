"""What a KEK unwraps is what it wrapped, whatever answers in its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from secrets import token_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms_core import Kek, UnwrapError, open_kek
from kms_core._blob import blob_context, decode_blob, encode_blob
from kms_core._commitment import COMMITMENT_SIZE, unwrap_committed, wrap_committed
from kms_core._plugins.clients import KekClient, bind
from kms_core.backend import Context, WrappedDek, hookimpl
from kms_core.builtin.local.kek import LocalKek

CONTEXT = {"purpose": "x"}


def show(data: bytes, _: Context) -> WrappedDek:
    """Wraps nothing, so that a test can put the answer of its choice there."""
    return WrappedDek(data, "kek", "1", "none")


def answer(data: bytes, wrapped: WrappedDek) -> bytes:
    return unwrap_committed(wrapped, CONTEXT, lambda *_: data)


@given(data=st.binary(min_size=1, max_size=64), other=st.binary(max_size=96))
def test_no_other_answer_passes(data: bytes, other: bytes) -> None:
    wrapped = wrap_committed(data, CONTEXT, show)
    right = wrapped.ciphertext[COMMITMENT_SIZE:]
    assert answer(right, wrapped) == data
    for wrong in (other, data, right[:-1], right + b"\0", right[:32] + other, other + right):
        if wrong != right:
            with pytest.raises(UnwrapError, match="other bytes than were wrapped"):
                answer(wrong, wrapped)


@given(position=st.integers(0, COMMITMENT_SIZE - 1), bit=st.integers(0, 7))
def test_an_altered_commitment(position: int, bit: int) -> None:
    wrapped = wrap_committed(b"data", CONTEXT, show)
    altered = bytearray(wrapped.ciphertext)
    altered[position] ^= 1 << bit
    with pytest.raises(UnwrapError):
        answer(wrapped.ciphertext[32:], replace(wrapped, ciphertext=bytes(altered)))


def test_a_commitment_tells_nothing_of_a_short_dek() -> None:
    """Each has an opening of its own, or who reads the store could try all DEKs of one byte."""
    commitments = {wrap_committed(b"\0", CONTEXT, show).ciphertext[:32] for _ in range(1000)}
    assert len(commitments) == 1000


@pytest.fixture
def kek(key_file: Path) -> Kek:
    return open_kek(f"kms://local?keyFile={key_file}")


def test_blobs_whose_answers_are_mixed_up(kek: Kek) -> None:
    one, two = (decode_blob(kek.wrap(data, CONTEXT))[1].ciphertext for data in (b"one", b"two"))
    provider, wrapped = decode_blob(kek.wrap(b"x", CONTEXT))
    mixed = encode_blob(provider, replace(wrapped, ciphertext=one[:32] + two[32:]))
    with pytest.raises(UnwrapError, match="other bytes than were wrapped"):
        kek.unwrap(mixed, CONTEXT)


class Rewraps(LocalKek):
    """Wraps again as a KMS does, which knows of no commitment."""

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        return LocalKek.wrap_dek(self, LocalKek.unwrap_dek(self, wrapped, context), context)

    @hookimpl
    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        assert LocalKek.unwrap_dek(self, wrapped, context)
        return "material"


def test_what_is_rewrapped_in_the_kms_keeps_its_commitment(key_file: Path) -> None:
    client = bind("kms://local", Rewraps(Rewraps.Config(key_file=key_file)), "kms-core test")
    assert isinstance(client, KekClient)
    data, context = token_bytes(32), blob_context(CONTEXT)
    wrapped = client.wrap(data, context)
    again = client.rewrap(wrapped, context)
    assert again.ciphertext[32:] != wrapped.ciphertext[32:]
    assert client.unwrap(again, context) == client.unwrap(wrapped, context) == data
    assert client.find_material(again, context) == "material"
