"""What a KEK promises about wrapping: the same DEK comes back, wherever and whenever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from secrets import token_bytes

import pytest

from kms_core._racing import RACERS, race
from kms_core._values import MAX_DEK_SIZE, OPENING_SIZE, Context, KekInfo, WrappedDek
from kms_core.backend.hookspecs import BackendSpec, KekSpec
from kms_core.errors import DekSizeError, KekDisabledError, KekNotFoundError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, clients, expect, refused, skip_without
from kms_core.testing._harness.harness import KekHarness
from kms_core.testing._harness.leaks import search
from kms_core.testing._harness.object_graph import held_by, held_by_code
from kms_core.testing.checks.kek_integrity import CONTEXT
from kms_core.testing.checks.strange_ids import STRANGE_IDS

_EDGES = {
    "zeros": bytes(32),
    "zeros first": bytes(4) + b"\1" * 28,
    "zeros last": b"\1" * 28 + bytes(4),
    "white space around": b" \r\n\t" + b"\1" * 24 + b"\t\r\n ",
    "padding": b"\x10" * 32,
    "no UTF-8": b"\xff" * 32,
}


class KekWrappingChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about wrapping and describing."""

    @pytest.mark.parametrize("size", [1, 16, 32, 33, 64])
    @clause(KekSpec.wrap_dek)
    def test_round_trip(self, fresh: Fresh, size: int) -> None:
        """The same bytes come back from ``unwrap_dek``, from a fresh client too.

        Cure: keep in the WrappedDek whatever it takes to unwrap, and nothing in the client.
        """
        round_trip(fresh(), fresh(), token_bytes(size))

    @pytest.mark.parametrize("edge", _EDGES)
    @clause(KekSpec.wrap_dek)
    def test_odd_deks(self, fresh: Fresh, edge: str) -> None:
        """Takes any bytes: a DEK is neither a number nor a text.

        Cure: hand the DEK over as bytes, without strip, decode or padding of your own.
        """
        round_trip(fresh(), fresh(), _EDGES[edge])

    @clause(KekSpec.wrap_dek)
    def test_largest_dek(self, fresh: Fresh) -> None:
        """Takes 8192 bytes, with which core wraps the longest DEK, or raises DekSizeError.

        Cure: raise DekSizeError with the largest size if the KMS refuses it; ``seal_dek``
        lifts the limit.
        """
        dek = token_bytes(OPENING_SIZE + MAX_DEK_SIZE)
        try:
            fresh().call("wrap_dek", dek=dek, context=CONTEXT)
        except DekSizeError:
            return
        round_trip(fresh(), fresh(), dek)

    @clause(KekSpec.wrap_dek)
    def test_wrap_twice(self, fresh: Fresh) -> None:
        """A DEK that is wrapped again unwraps from both.

        Cure: keep nothing by DEK or by dek_id that a second wrap would overwrite.
        """
        dek = token_bytes(32)
        first, second = (fresh().answer("wrap_dek", dek=dek, context=CONTEXT) for _ in range(2))
        _unwraps(fresh(), first, dek, "of the first of two wraps")
        _unwraps(fresh(), second, dek, "of the second of two wraps")

    @clause(KekSpec.wrap_dek)
    def test_order_of_context(self, fresh: Fresh) -> None:
        """Contexts that are equal are one context, in whatever order.

        Cure: encode the context by ``encode_context``, which sorts it.
        """
        dek = token_bytes(32)
        wrapped = fresh().answer("wrap_dek", dek=dek, context=CONTEXT)
        turned = dict(reversed(CONTEXT.items()))
        _unwraps(fresh(), wrapped, dek, "with the context in another order", turned)

    @clause(KekSpec.wrap_dek)
    def test_strange_ids(self, fresh: Fresh) -> None:
        """Takes every dek_id in the context.

        Cure: encode the context by ``encode_context``; if the KMS limits it, hand over its
        digest.
        """
        client, dek = fresh(), token_bytes(32)
        for dek_id in STRANGE_IDS:
            context = {**CONTEXT, "dek_id": dek_id}
            wrapped = client.answer("wrap_dek", f"for {dek_id!r}", dek=dek, context=context)
            _unwraps(client, wrapped, dek, f"for {dek_id!r}", context)

    @clause(KekSpec.wrap_dek)
    def test_context_stays(self, fresh: Fresh) -> None:
        """The context that it is given stays as it is: the caller goes on with it.

        Cure: change a copy, ``dict(context)``, where an SDK wants another form.
        """
        client, context = fresh(), dict(CONTEXT)
        wrapped = client.answer("wrap_dek", dek=token_bytes(32), context=context)
        expect("wrap_dek: the context afterwards", CONTEXT, context)
        client.answer("unwrap_dek", wrapped=wrapped, context=context)
        expect("unwrap_dek: the context afterwards", CONTEXT, context)

    @clause(BackendSpec)
    def test_no_dek_is_kept(self, fresh: Fresh) -> None:
        """A backend keeps no cache: it unwraps each time, hands out no object again, and has none
        left in its client, its classes and the modules of its package.

        Cure: keep no cache of DEKs, and no last request or response; core decides how long one is
        kept.
        """
        client, dek = fresh(), token_bytes(32)
        wrapped = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        search("wrap_dek", held_by(client.plugin, "the client"), [dek])
        unwrap = partial(client.answer, "unwrap_dek", wrapped=wrapped, context=CONTEXT)
        seen = [dek, unwrap(), unwrap()]
        expect("unwrap_dek: how many objects, when no DEK is kept", 3, len({*map(id, seen)}))
        search("unwrap_dek", held_by(client.plugin, "the client"), [dek])
        search("unwrap_dek", held_by_code(type(client.plugin)), [dek])

    @clause(BackendSpec)
    def test_threads(self, fresh: Fresh) -> None:
        """All hooks may be called from several threads at once, on one client.

        Cure: keep what belongs to one call in local variables, and give each thread a
        connection if one cannot be shared.
        """
        client, deks = fresh(), [token_bytes(32) for _ in range(RACERS)]
        wraps = [partial(client.answer, "wrap_dek", dek=d, context=CONTEXT) for d in deks]
        wrapped = race(wraps)
        for dek, one in zip(deks, wrapped, strict=True):
            _unwraps(client, one, dek, "of what one of 16 threads wrapped")
        unwrap = partial(client.answer, "unwrap_dek", context=CONTEXT)
        expect(
            "unwrap_dek in 16 threads", deks, race([partial(unwrap, wrapped=w) for w in wrapped])
        )

    @clause(KekSpec.describe_kek)
    def test_description(self, fresh: Fresh) -> None:
        """``wrap_dek`` now would use what this returns.

        Cure: ask the KMS which version wraps now, and say the same of it as ``wrap_dek``.
        """
        wrapped: WrappedDek = fresh().answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
        info: KekInfo = fresh().answer("describe_kek")
        seen = replace(
            info,
            kek_id=wrapped.kek_id,
            # Empty where the KMS keeps to itself which version wrapped.
            kek_version=wrapped.kek_version or info.kek_version,
            algorithm=wrapped.algorithm,
        )
        expect("describe_kek: what wrap_dek uses", seen, info)

    @clause(KekSpec.describe_kek)
    def test_keks_have_names(self, fresh: Fresh, other: Fresh) -> None:
        """``kek_id`` is the KEK's full name: two KEKs have two.

        Cure: make kek_id of all that tells two KEKs apart: account or vault, key ring and
        name.
        """
        keks = {client.answer("describe_kek").kek_id for client in (fresh(), other())}
        expect("describe_kek: how many kek_ids two KEKs have", 2, len(keks))

    @clause(KekSpec.wrap_dek)
    def test_rotation(self, fresh: Fresh, harness: KekHarness) -> None:
        """Wraps under the newest version; what an older one wrapped unwraps.

        A client that was open before the rotation unwraps what others wrap after it: programs run
        on while an admin rotates.

        Cure: unwrap under the version that the WrappedDek names, and look a new one up when
        it is not known.
        """
        rotate, dek = skip_without(harness, "rotate"), token_bytes(32)
        long_open = fresh()
        long_open.answer("describe_kek")
        before: WrappedDek = fresh().answer("wrap_dek", dek=dek, context=CONTEXT)
        rotate()
        _unwraps(fresh(), before, dek, "of what was wrapped before the rotation")
        after: WrappedDek = fresh().answer("wrap_dek", dek=dek, context=CONTEXT)
        _unwraps(long_open, after, dek, "of what was wrapped after the rotation, by another client")
        _unwraps(long_open, before, dek, "of what was wrapped before the rotation")
        own: WrappedDek = long_open.answer("wrap_dek", dek=dek, context=CONTEXT)
        _unwraps(fresh(), own, dek, "of what a client wrapped that was open before the rotation")
        if own.kek_version:
            told = long_open.answer("describe_kek").kek_version
            expect("describe_kek after a rotation: the version that wraps", own.kek_version, told)
        if before.kek_version:
            changed = before.kek_version != after.kek_version
            expect("wrap_dek: whether rotation changes kek_version", expected=True, seen=changed)

    @clause(KekSpec)
    def test_missing_kek(self, harness: KekHarness) -> None:
        """Every hook raises KekNotFoundError if the KMS has no such KEK, or opening does.

        Cure: name the answer of your KMS that there is no such key as KekNotFoundError in
        an ErrorTable.
        """
        open_kek, dek = skip_without(harness, "open_missing"), token_bytes(32)
        with clients(open_kek, "kms") as fresh:
            _misses("describe_kek", lambda: fresh().call("describe_kek"))
            _misses("wrap_dek", lambda: fresh().call("wrap_dek", dek=dek, context=CONTEXT))

    @clause(KekSpec)
    def test_disabled_kek(self, fresh: Fresh, harness: KekHarness) -> None:
        """Every hook raises KekDisabledError once the KEK is disabled.

        Cure: name the answer of your KMS that the key is disabled as KekDisabledError in an
        ErrorTable.
        """
        disable, client = skip_without(harness, "disable"), fresh()
        dek = token_bytes(32)
        wrapped = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        disable()
        refuse, when = partial(client.refuse, KekDisabledError), "once the KEK is disabled"
        refuse("describe_kek", when)
        refuse("wrap_dek", when, dek=dek, context=CONTEXT)
        refuse("unwrap_dek", when, wrapped=wrapped, context=CONTEXT)


def round_trip(wrapping: Client, unwrapping: Client, dek: bytes) -> None:
    """Wrap with one client, unwrap with another, and compare."""
    size = f"a DEK of {len(dek)} bytes"
    wrapped = wrapping.answer("wrap_dek", f"of {size}", dek=dek, context=CONTEXT)
    _unwraps(unwrapping, wrapped, dek, f"of {size}")


def _unwraps(
    client: Client, wrapped: object, dek: bytes, when: str, context: Context = CONTEXT
) -> None:
    seen = client.answer("unwrap_dek", when, wrapped=wrapped, context=dict(context))
    expect(f"unwrap_dek {when}", dek, seen)


def _misses(hook: str, call: Callable[[], object]) -> None:
    refused(KekNotFoundError, f"{hook} of a KEK that the KMS does not have", call)
