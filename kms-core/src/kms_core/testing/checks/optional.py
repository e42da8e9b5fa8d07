"""What the optional hooks promise, where a backend has them."""

from __future__ import annotations

from functools import partial
from secrets import token_bytes

import pytest

from kms_core._values import ListedRecord, WrappedDek
from kms_core.backend.hookspecs import KekSpec, StorageSpec
from kms_core.errors import UnwrapError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, answered, expect
from kms_core.testing.checks.kek_integrity import CONTEXT

_NEW_CONTEXT = {**CONTEXT, "created": "2026-02-01T00:00:00Z"}


def _skip_unless_offered(client: Client, hook: str) -> None:
    if not client.bound.offers(hook):
        pytest.skip(f"{hook} is optional, and this backend has none")


class KekOptionalChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about optional hooks."""

    @clause(KekSpec.rewrap_dek)
    def test_rewrap(self, fresh: Fresh) -> None:
        """The same DEK comes back under the new context, and under no other.

        Cure: wrap under new_context alone, and leave what was given as it is.
        """
        client, dek = fresh(), token_bytes(32)
        _skip_unless_offered(client, "rewrap_dek")
        wrapped: WrappedDek = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        contexts = {"context": CONTEXT, "new_context": _NEW_CONTEXT}
        again: WrappedDek = client.answer("rewrap_dek", wrapped=wrapped, **contexts)
        unwrap = partial(fresh().answer, "unwrap_dek")
        seen = unwrap("of what was rewrapped", wrapped=again, context=_NEW_CONTEXT)
        expect("unwrap_dek of what rewrap_dek returned", dek, seen)
        seen = unwrap("of what was there before", wrapped=wrapped, context=CONTEXT)
        expect("unwrap_dek of what rewrap_dek was given", dek, seen)
        when = "of what was rewrapped, under the context before"
        client.refuse(UnwrapError, "unwrap_dek", when, wrapped=again, context=CONTEXT)

    @clause(KekSpec.rewrap_dek)
    def test_rewrap_under_another_context(self, fresh: Fresh) -> None:
        """Rewraps nothing under another context than it was wrapped under.

        Cure: unwrap under ``context`` first, and let its refusal out as UnwrapError.
        """
        client = fresh()
        _skip_unless_offered(client, "rewrap_dek")
        wrapped = client.answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
        when, contexts = "under another context", {"context": {}, "new_context": CONTEXT}
        client.refuse(UnwrapError, "rewrap_dek", when, wrapped=wrapped, **contexts)

    @clause(KekSpec.check_health)
    def test_health(self, fresh: Fresh) -> None:
        """Answers where the KMS does.

        Cure: ask for something cheap that the credentials may do, such as a description.
        """
        client = fresh()
        _skip_unless_offered(client, "check_health")
        client.answer("check_health")


class StorageOptionalChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about optional hooks."""

    @clause(StorageSpec.list_records)
    def test_listed_records(self, fresh: Fresh) -> None:
        """Lists each record once, at its revision, with its data or none.

        Cure: return each record with the revision that ``load_record`` returns, and None
        for data that is not at hand.
        """
        client = fresh()
        _skip_unless_offered(client, "list_records")
        made = {i: client.answer("create_record", dek_id=i, data=i.encode()) for i in _IDS}
        client.answer("create_record", dek_id="other", data=b"other")
        listed = _list(client, "")
        expect("list_records: the ids", sorted([*_IDS, "other"]), sorted(r.dek_id for r in listed))
        listed = _list(client, "page/")
        revisions = {record.dek_id: record.revision for record in listed}
        expect("list_records with prefix 'page/': ids and revisions", made, revisions)
        wrong = [r.dek_id for r in listed if r.data not in {None, r.dek_id.encode()}]
        expect("list_records: ids with data of another record", [], wrong)

    @clause(StorageSpec.list_records)
    def test_resumed_listing(self, fresh: Fresh) -> None:
        """Goes on behind ``after``, in the same order, whether that is still there or not.

        Cure: go on behind ``after`` by order, as a lower bound; do not look for the id
        itself.
        """
        client = fresh()
        _skip_unless_offered(client, "list_records")
        for dek_id in _IDS:
            client.answer("create_record", dek_id=dek_id, data=b"data")
        listed = _list(client, "page/")
        order = [record.dek_id for record in listed]
        for position in (0, len(order) // 2, len(order) - 1):
            rest = [record.dek_id for record in _list(client, "page/", order[position])]
            expect(f"list_records behind number {position}", order[position + 1 :], rest)
        client.answer("delete_record", dek_id=order[3], revision=listed[3].revision)
        rest = [record.dek_id for record in _list(client, "page/", order[3])]
        expect("list_records behind an id that was deleted", order[4:], rest)

    @clause(StorageSpec.check_health)
    def test_health(self, fresh: Fresh) -> None:
        """Answers where the store does, and changes nothing.

        Cure: ask for something cheap that changes nothing, such as a description or a
        listing of one.
        """
        client = fresh()
        _skip_unless_offered(client, "check_health")
        client.answer("check_health")
        expect("list_dek_ids after check_health", [], client.list_ids())


_IDS = [f"page/{number}" for number in range(30)]


def _list(client: Client, prefix: str, after: str = "") -> list[ListedRecord]:
    clause = f"list_records with prefix {prefix!r} behind {after!r}"
    call = partial(client.call, "list_records", prefix=prefix, after=after)
    return answered(clause, lambda: list(call()))
