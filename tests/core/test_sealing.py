"""The local layer for a KMS without additional authenticated data: bound, committed, tight."""

from __future__ import annotations

import json
import sys
from secrets import token_bytes
from types import MappingProxyType

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kms_core import UnwrapError
from kms_core.backend import SEALING_KEY_SIZE, encode_context, seal_dek, unseal_dek

CONTEXT = {"dek_id": "volume/é", "size": "32"}


CHARACTERS = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1))))


class Text(str):
    """As some frameworks have them."""

    __slots__ = ()

    def __str__(self) -> str:
        return "shown otherwise"


@pytest.mark.parametrize(
    "context",
    [
        {"b": CHARACTERS, "a": "first"},
        {"\U0001f600": "second", "\uffff": "first", "": ""},  # sorted as UTF-16 they were not
        {Text("dek_id"): Text("volume")},
        {},
    ],
    ids=["characters", "order", "kinds of str", "empty"],
)
def test_context_as_the_standard_library_writes_it(context: dict[str, str]) -> None:
    """The bytes of a context must never change: what is wrapped under them would be lost."""
    text = json.dumps(context, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert encode_context(context) == encode_context(MappingProxyType(context)) == text.encode()


def test_a_lone_surrogate_in_a_context() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_context({"a": "\ud800"})


AUTH_KEYS = [None, bytes(32), bytes(range(32))]


@pytest.mark.parametrize("auth_key", AUTH_KEYS)
@pytest.mark.parametrize("size", [1, 32, 8160])
def test_round_trip(size: int, auth_key: bytes | None) -> None:
    dek = token_bytes(size)
    key, sealed = seal_dek(dek, CONTEXT, auth_key)
    assert len(key) == SEALING_KEY_SIZE
    assert len(sealed) == 32 + size + 16
    assert size < 16 or dek not in sealed
    assert key not in sealed
    assert unseal_dek(key, sealed, dict(reversed(CONTEXT.items())), auth_key) == dek


@pytest.mark.parametrize("made_with", AUTH_KEYS)
@pytest.mark.parametrize("opened_with", [*AUTH_KEYS, b"", bytes(31), bytes(33)])
def test_other_auth_key(made_with: bytes | None, opened_with: bytes | None) -> None:
    """No key is another key, not even one of zeros."""
    key, sealed = seal_dek(b"d" * 32, CONTEXT, made_with)
    if made_with == opened_with:
        assert unseal_dek(key, sealed, CONTEXT, opened_with) == b"d" * 32
        return
    with pytest.raises(UnwrapError):
        unseal_dek(key, sealed, CONTEXT, opened_with)


def test_each_key_is_fresh() -> None:
    one, other = seal_dek(bytes(32), CONTEXT), seal_dek(bytes(32), CONTEXT)
    assert one[0] != other[0]
    assert one[1] != other[1]


def test_every_bit_of_what_is_sealed() -> None:
    key, sealed = seal_dek(token_bytes(32), CONTEXT)
    for bit in range(8 * len(sealed)):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UnwrapError):
            unseal_dek(key, bytes(altered), CONTEXT)


def test_every_bit_of_the_key() -> None:
    key, sealed = seal_dek(token_bytes(32), CONTEXT)
    for bit in range(8 * len(key)):
        altered = bytearray(key)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UnwrapError):
            unseal_dek(bytes(altered), sealed, CONTEXT)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 47, 48, 79])
def test_cut(size: int) -> None:
    key, sealed = seal_dek(bytes(32), CONTEXT)
    with pytest.raises(UnwrapError):
        unseal_dek(key, sealed[:size], CONTEXT)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_key_of_another_size(key: bytes) -> None:
    _, sealed = seal_dek(bytes(32), CONTEXT)
    with pytest.raises(UnwrapError):
        unseal_dek(key, sealed, CONTEXT)


@pytest.mark.parametrize("context", [{}, {"dek_id": "volume/e"}, {**CONTEXT, "size": "33"}])
def test_other_context(context: dict[str, str]) -> None:
    key, sealed = seal_dek(bytes(32), CONTEXT)
    with pytest.raises(UnwrapError):
        unseal_dek(key, sealed, context)


def test_format() -> None:
    """HKDF-SHA256 of the key gives the key of AES and the commitment. This must never change."""
    dek = token_bytes(32)
    key, sealed = seal_dek(dek, CONTEXT)
    derived = HKDF(SHA256(), 64, salt=None, info=b"kms-core sealed DEK 1").derive(key)
    assert sealed[:32] == derived[32:]
    cipher = AESGCM(derived[:32])
    assert cipher.decrypt(bytes(12), sealed[32:], encode_context(CONTEXT)) == dek


def test_format_with_an_auth_key() -> None:
    """It is HKDF's salt. This must never change either."""
    dek, auth_key = token_bytes(32), token_bytes(32)
    key, sealed = seal_dek(dek, CONTEXT, auth_key)
    derived = HKDF(SHA256(), 64, salt=auth_key, info=b"kms-core authenticated DEK 1").derive(key)
    assert sealed[:32] == derived[32:]
    cipher = AESGCM(derived[:32])
    assert cipher.decrypt(bytes(12), sealed[32:], encode_context(CONTEXT)) == dek


def test_commitment_is_checked() -> None:
    """What authenticates under a key that it does not commit to is refused."""
    key, sealed = seal_dek(bytes(32), CONTEXT)
    _, other = seal_dek(bytes(32), CONTEXT)
    with pytest.raises(UnwrapError):
        unseal_dek(key, other[:32] + sealed[32:], CONTEXT)
