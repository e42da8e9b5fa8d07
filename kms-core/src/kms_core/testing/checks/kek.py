"""The contract of a KEK as tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from secrets import token_bytes
from typing import Any, ClassVar

import pytest

from kms_core.errors import KekNotFoundError, UnwrapError
from kms_core.testing._harness.client import Client, Fresh, Scheme, clients
from kms_core.testing._harness.harness import KekHarness
from kms_core.testing.checks.errors import Requests
from kms_core.testing.checks.kek_contexts import KekContextChecks
from kms_core.testing.checks.kek_integrity import CONTEXT, KekIntegrityChecks, copy_record
from kms_core.testing.checks.kek_secrecy import KekSecrecyChecks
from kms_core.testing.checks.kek_wrapping import KekWrappingChecks, round_trip
from kms_core.testing.checks.optional import KekOptionalChecks
from kms_core.testing.checks.sessions import SessionChecks
from kms_core.testing.checks.shared import Provoked
from kms_core.testing.checks.wire import Questions


class KekConformance(
    KekWrappingChecks,
    KekIntegrityChecks,
    KekContextChecks,
    KekSecrecyChecks,
    KekOptionalChecks,
    SessionChecks,
):
    """Subclass it, and define the fixture ``harness``, which returns a :class:`KekHarness`."""

    harness_type = KekHarness

    scheme: ClassVar[Scheme] = "kms"
    harmless = ("describe_kek", {})

    @pytest.fixture
    def other(self, harness: KekHarness) -> Iterator[Fresh]:
        """Opens and binds the other KEK."""
        with clients(harness.open_other, self.scheme) as other:
            yield other

    def use(self, client: Client) -> None:
        """Wrap and unwrap."""
        round_trip(client, client, token_bytes(32))

    def requests(self, client: Client) -> Requests:
        """Wrap, unwrap what is wrapped, and describe."""
        dek = token_bytes(32)
        wrapped = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        kek = client.answer("describe_kek")
        requests: dict[str, Mapping[str, Any]] = {
            "describe_kek": {},
            "wrap_dek": {"dek": dek, "context": CONTEXT},
            "unwrap_dek": {"wrapped": wrapped, "context": CONTEXT},
            "rewrap_dek": {"wrapped": wrapped, "context": CONTEXT},
            "find_key_material": {"wrapped": wrapped, "context": CONTEXT},
            "wrap_dek_under": {"dek": dek, "context": CONTEXT, "kek": kek},
            "check_health": {},
        }
        return {hook: needs for hook, needs in requests.items() if client.bound.offers(hook)}

    def questions(self, fresh: Fresh) -> Questions:
        """Unwrap one DEK, and another."""
        client, deks = fresh(), [token_bytes(32) for _ in range(2)]
        wraps = [client.answer("wrap_dek", dek=dek, context=CONTEXT) for dek in deks]
        arguments = [{"wrapped": wrapped, "context": CONTEXT} for wrapped in wraps]
        return Questions("unwrap_dek", [*zip(arguments, deks, strict=True)])

    def provoke(self, fresh: Fresh) -> Provoked:
        """Unwrap what was altered or is another KEK's, and a record that was copied."""
        client, dek = fresh(), token_bytes(32)
        wrapped = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        cut = replace(wrapped, ciphertext=wrapped.ciphertext[:-1])
        unwrap = partial(client.refuse, UnwrapError, "unwrap_dek")
        context_error = unwrap("under an empty context", wrapped=wrapped, context={})
        cut_error = unwrap("without its last byte", wrapped=cut, context=CONTEXT)
        refused_as = (UnwrapError, KekNotFoundError)
        others = {
            "another KEK": replace(wrapped, kek_id=f"{wrapped.kek_id}0"),
            "another version": replace(wrapped, kek_version=f"{wrapped.kek_version}0"),
        }
        other_errors = [
            client.refuse(
                refused_as, "unwrap_dek", f"of another {what}", wrapped=w, context=CONTEXT
            )
            for what, w in others.items()
        ]
        copied_dek, copy_error = copy_record(client)
        return Provoked([context_error, cut_error, copy_error, *other_errors], [dek, copied_dek])
