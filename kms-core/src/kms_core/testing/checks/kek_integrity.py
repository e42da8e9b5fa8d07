"""What a wrapped DEK must not survive: another context, another KEK, any change to itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from secrets import token_bytes
from typing import Any, ClassVar

import pytest
from msgspec import structs

from kms_core._deks.record import decode_record, record_context
from kms_core._deks.stored import StoredDeks
from kms_core._plugins.clients import Keyset
from kms_core._values import Context, StoredRecord, WrappedDek
from kms_core.backend.hookspecs import KekSpec
from kms_core.builtin.memory import MemoryStorage
from kms_core.errors import KekNotFoundError, KmsError, UnwrapError
from kms_core.kms import Kms
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import (
    Client,
    ErrorKind,
    Fresh,
    answered,
    refused,
    skip_without,
)
from kms_core.testing._harness.harness import KekHarness

CONTEXT = dict(record_context("volume/\u00e9", 32, "2026-01-31T23:59:59Z"))
"""What core wraps a DEK under."""


def _other_contexts() -> dict[str, Context]:
    dek_id, created = CONTEXT["dek_id"], CONTEXT["created"]
    others: dict[str, Context] = {}
    for key, value in CONTEXT.items():
        others[f"with {key} changed"] = {**CONTEXT, key: f"{value}0"}
        others[f"with {key} renamed"] = {f"{k}_" if k == key else k: v for k, v in CONTEXT.items()}
        others[f"without {key}"] = {k: v for k, v in CONTEXT.items() if k != key}
    return others | {
        "with a key more": {**CONTEXT, "more": "more"},
        "that is empty": {},
        "with two values swapped": {**CONTEXT, "dek_id": created, "created": dek_id},
        "with dek_id in another case": {**CONTEXT, "dek_id": dek_id.capitalize()},
        "with dek_id in another normal form": {**CONTEXT, "dek_id": "volume/e\u0301"},
    }


_OTHER_CONTEXTS = _other_contexts()

_OTHER_CIPHERTEXTS: dict[str, Callable[[bytes], bytes]] = {
    "that is empty": lambda _: b"",
    "cut to one byte": lambda c: c[:1],
    "cut to half": lambda c: c[: len(c) // 2],
    "without its last byte": lambda c: c[:-1],
    "without its first byte": lambda c: c[1:],
    "with a byte more": lambda c: c + b"\0",
    "with itself behind": lambda c: c + c,
}


_OF_FIELD: dict[str, ErrorKind] = {
    "kek_id": KekNotFoundError,
    "kek_version": (UnwrapError, KekNotFoundError),  # of a version that is not there
    "algorithm": UnwrapError,
}
"""What another value of a field is told as."""


class KekIntegrityChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about altered input."""

    flip_step: ClassVar[int] = 1
    """Every which byte of the ciphertext is flipped. Raise it for a KMS that is slow or costs."""

    @pytest.mark.parametrize("change", _OTHER_CONTEXTS)
    @clause(KekSpec.wrap_dek)
    def test_other_context(self, fresh: Fresh, change: str) -> None:
        """Under any other context ``unwrap_dek`` fails.

        Cure: bind ``encode_context(context)`` to the ciphertext, as associated data of the
        KMS or by ``seal_dek``.
        """
        client = fresh()
        wrapped, context = _wrap(client), _OTHER_CONTEXTS[change]
        when = f"under a context {change}"
        client.refuse(UnwrapError, "unwrap_dek", when, wrapped=wrapped, context=context)

    @clause(KekSpec.unwrap_dek)
    def test_other_kek(self, fresh: Fresh, other: Fresh) -> None:
        """``kek_id`` is compared with the configured KEK, and never an address.

        Cure: call ``check_kek`` with the configured name before anything is sent.
        """
        when = "of what another KEK wrapped"
        _refuses(fresh(), _wrap(other()), when, KekNotFoundError)

    @clause(KekSpec.unwrap_dek)
    def test_other_kek_under_this_name(self, fresh: Fresh, other: Fresh) -> None:
        """Opens only what this KEK wrapped, whatever name is written on it.

        Cure: let the KMS unwrap under the configured KEK alone, and tell its refusal as
        UnwrapError.
        """
        client = fresh()
        foreign = replace(_wrap(client), ciphertext=_wrap(other()).ciphertext)
        _refuses(client, foreign, "of what another KEK wrapped, under this one's name")

    @clause(KekSpec.unwrap_dek)
    def test_every_byte(self, fresh: Fresh) -> None:
        """Fails when any byte of the ciphertext was altered.

        Cure: wrap with authentication, AES-GCM or ``seal_dek``, and tell what does not
        verify as UnwrapError.
        """
        client = fresh()
        wrapped = _wrap(client)
        last = len(wrapped.ciphertext) - 1
        for position in [*range(0, last, self.flip_step), last]:
            altered = bytearray(wrapped.ciphertext)
            altered[position] ^= 1 << position % 8
            when = f"with byte {position} of {last + 1} flipped"
            _refuses(client, replace(wrapped, ciphertext=bytes(altered)), when)

    @pytest.mark.parametrize("change", _OTHER_CIPHERTEXTS)
    @clause(KekSpec.unwrap_dek)
    def test_other_length(self, fresh: Fresh, change: str) -> None:
        """Fails when the ciphertext was cut or extended.

        Cure: tell a ciphertext of another length as UnwrapError, whatever your SDK raises.
        """
        client = fresh()
        wrapped = _wrap(client)
        altered = _OTHER_CIPHERTEXTS[change](wrapped.ciphertext)
        _refuses(client, replace(wrapped, ciphertext=altered), f"of a ciphertext {change}")

    @pytest.mark.parametrize("field", ["kek_id", "kek_version", "algorithm"])
    @clause(KekSpec.unwrap_dek)
    def test_other_field(self, fresh: Fresh, field: str) -> None:
        """Every field must be as ``wrap_dek`` made it.

        Cure: compare kek_id, kek_version and algorithm exactly, as text, before unwrapping.
        """
        client = fresh()
        wrapped = _wrap(client)
        made: str = getattr(wrapped, field)
        for altered in sorted({f"{made}0", f" {made}", made.swapcase(), ""} - {made}):
            fields: dict[str, Any] = {field: altered}
            when = f"with {field}={altered!r}"
            _refuses(client, replace(wrapped, **fields), when, _OF_FIELD[field])

    @clause(KekSpec.unwrap_dek)
    def test_version_that_is_gone(self, fresh: Fresh, harness: KekHarness) -> None:
        """Raises KekNotFoundError where the KMS has the version no more.

        Were it an UnwrapError, somebody would restore records that are as they were, and not the
        version.

        Cure: name the answer of your KMS that there is no such version as KekNotFoundError in an
        ErrorTable, or hand those that it has to ``check_kek``.
        """
        destroy, rotate = skip_without(harness, "destroy"), skip_without(harness, "rotate")
        old = _wrap(fresh())
        rotate()
        new = _wrap(fresh())
        destroy(old.kek_version)
        _refuses(fresh(), old, "of a version that was destroyed", KekNotFoundError)
        fresh().answer("unwrap_dek", "of another version", wrapped=new, context=CONTEXT)

    @clause(KekSpec.unwrap_dek)
    def test_name_of_the_other_kek(self, fresh: Fresh, other: Fresh) -> None:
        """Fails when the name on it is that of another KEK.

        Cure: call ``check_kek`` with the configured name before anything is sent.
        """
        client = fresh()
        renamed = replace(_wrap(client), kek_id=other().answer("describe_kek").kek_id)
        _refuses(client, renamed, "with the kek_id of another KEK", KekNotFoundError)

    @clause(KekSpec.unwrap_dek)
    def test_copied_record(self, fresh: Fresh) -> None:
        """A record that was copied to another dek_id does not unwrap, through all of core.

        Cure: bind the dek_id, which the context has, to the ciphertext.
        """
        copy_record(fresh())


def copy_record(client: Client) -> tuple[bytes, KmsError]:
    """Make a DEK through the façade, copy its record to another id, and see that refused."""
    with warnings.catch_warnings():  # that it loses every DEK is what is wanted here
        warnings.simplefilter("ignore")
        store = Client(MemoryStorage(MemoryStorage.Config()), "storage")
    kms = Kms(StoredDeks(Keyset([client.bound]), store.bound), ExitStack())
    dek = answered("wrap_dek through Kms.create_dek", partial(kms.create_dek, "original"))
    stored: StoredRecord = store.call("load_record", dek_id="original")
    copy = structs.replace(decode_record(stored.data, "original"), dek_id="copy")
    store.call("create_record", dek_id="copy", data=copy.encode())
    clause = "unwrap_dek of a record that was copied to another dek_id"
    return dek, refused(UnwrapError, clause, partial(kms.get_dek, "copy"))


def _wrap(client: Client) -> WrappedDek:
    wrapped: WrappedDek = client.answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
    return wrapped


def _refuses(client: Client, wrapped: WrappedDek, when: str, kind: ErrorKind = UnwrapError) -> None:
    client.refuse(kind, "unwrap_dek", when, wrapped=wrapped, context=CONTEXT)
