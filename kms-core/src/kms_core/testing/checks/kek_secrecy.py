"""What a wrapped DEK must not tell: neither the DEK, nor how two DEKs differ."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from itertools import chain, combinations
from secrets import token_bytes
from typing import TypeAlias

from kms_core._values import WrappedDek
from kms_core.backend.hookspecs import KekSpec
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, expect
from kms_core.testing._harness.leaks import search
from kms_core.testing.checks.kek_integrity import CONTEXT

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{32,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{32,}")

_Wrap: TypeAlias = tuple[bytes, WrappedDek]


class KekSecrecyChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about who holds the records alone."""

    @clause(KekSpec.wrap_dek)
    def test_wrapped_dek_is_hidden(self, fresh: Fresh) -> None:
        """Nothing of what it returns holds the DEK.

        Cure: return only what the KMS encrypted, and the names of the key.
        """
        dek, wrapped = _wrap(fresh())
        fields = ("kek_id", "kek_version", "algorithm")
        texts = [(f"{f} of what it returns", str(getattr(wrapped, f))) for f in fields]
        forms = (form.decode("latin-1") for form in _forms(wrapped.ciphertext))
        texts += [("the ciphertext that it returns", form) for form in forms]
        search("wrap_dek", texts, [dek])

    @clause(KekSpec.wrap_dek)
    def test_key_stream(self, fresh: Fresh) -> None:
        """No two wraps use one key stream, whoever wraps and when.

        A nonce that is constant, made from the context or counted by each client from 0 gives two
        DEKs one key stream: what their ciphertexts differ in is then what the DEKs differ in, so
        who knows one DEK knows all. That two wraps of one DEK differ is not asked for, because a
        KMS may wrap without a nonce, as AES-SIV and AES-KW do, and be as secret.

        Cure: take a fresh random nonce for each wrap; make none from the context or a
        counter.
        """
        client = fresh()
        wraps = [_wrap(client), _wrap(client), _wrap(fresh()), _wrap(fresh())]
        for (dek, wrapped), (other_dek, other) in combinations(wraps, 2):
            difference = _xor(dek, other_dek)
            pairs = zip(_forms(wrapped.ciphertext), _forms(other.ciphertext), strict=False)
            shows = any(difference in _xor(*pair) for pair in pairs)
            expect(
                "wrap_dek: whether two ciphertexts differ as their DEKs do, which one nonce "
                "for both causes",
                expected=False,
                seen=shows,
            )


def _wrap(client: Client) -> _Wrap:
    dek = token_bytes(32)
    return dek, client.answer("wrap_dek", dek=dek, context=CONTEXT)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def _forms(ciphertext: bytes) -> Iterator[bytes]:
    """The ciphertext, and what it holds in base64 or in hex, as in ``vault:v1:…``."""
    yield ciphertext
    for found in chain(_BASE64.finditer(ciphertext), _HEX.finditer(ciphertext)):
        text = found[0]
        if found.re is _HEX:
            yield bytes.fromhex(text[: len(text) // 2 * 2].decode())
        else:
            text = text.translate(bytes.maketrans(b"+/", b"-_"))
            yield urlsafe_b64decode(text[: len(text) // 4 * 4])
