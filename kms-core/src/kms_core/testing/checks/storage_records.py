"""What a storage promises about one record at a time."""

from __future__ import annotations

from functools import partial

import pytest

from kms_core._racing import RACERS, race
from kms_core._values import MAX_RECORD_SIZE, StoredRecord
from kms_core.backend.hookspecs import BackendSpec, StorageSpec
from kms_core.errors import (
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    ThrottledError,
    UnavailableError,
)
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, clients, expect, skip_without
from kms_core.testing._harness.harness import StorageHarness

FULL = (ThrottledError, UnavailableError)
_ODD_DATA = (
    b" \t a\r\n",
    b"\0\0a\0\0",
    b"\xff\xfe\x80a",
    b'{"b": 1, "a": 2, "a": 3}',
    b"null",
    b"'\\'",
)


class StorageRecordChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about single records."""

    @pytest.mark.parametrize("size", [0, 1, 256, 4096, MAX_RECORD_SIZE])
    @clause(StorageSpec.create_record)
    def test_created_record(self, fresh: Fresh, size: int) -> None:
        """Every client sees the record whole, at once.

        Cure: store exactly these bytes, where a strongly consistent read finds them, and
        return the revision that a read returns.
        """
        data = (bytes(range(256)) * (size // 256 + 1))[:size]
        revision = fresh().answer("create_record", f"of {size} bytes", dek_id="id", data=data)
        _holds(fresh(), "id", data, revision, "create_record")

    @pytest.mark.parametrize("data", _ODD_DATA)
    @clause(StorageSpec.create_record)
    def test_odd_data(self, fresh: Fresh, data: bytes) -> None:
        """Data is opaque: neither a text nor JSON.

        Cure: store bytes as bytes: a binary column or body, without an encoding, a newline
        or a parser.
        """
        client = fresh()
        first = client.answer("create_record", f"of {data!r}", dek_id="id", data=data)
        _holds(fresh(), "id", data, first, "create_record")
        second = client.answer("replace_record", dek_id="id", data=data[::-1], revision=first)
        _holds(fresh(), "id", data[::-1], second, "replace_record")

    @pytest.mark.parametrize("there", [b"first", b""])
    @clause(StorageSpec.create_record)
    def test_create_existing(self, fresh: Fresh, there: bytes) -> None:
        """Raises DekExistsError, and the record is as before, also an empty one.

        Cure: create only where nothing is, by one request of your service, and name its
        refusal as DekExistsError.
        """
        revision = fresh().answer("create_record", dek_id="id", data=there)
        fresh().refuse(DekExistsError, "create_record", "again", dek_id="id", data=b"second")
        _holds(fresh(), "id", there, revision, "create_record that was refused")

    @clause(StorageSpec.create_record)
    def test_full_store(self, fresh: Fresh, harness: StorageHarness) -> None:
        """Where there is no room raises an error that says nothing of what is stored.

        It stores no piece of the record, and what is there stays as it is.

        Cure: name what your service says of a full disk or a quota in an ErrorTable, as
        ThrottledError or UnavailableError.
        """
        open_full = skip_without(harness, "open_full")
        kept = fresh().answer("create_record", dek_id="kept", data=b"kept")
        with clients(open_full, "storage") as full:
            when, data = "where there is no room", bytes(MAX_RECORD_SIZE)
            full().refuse(FULL, "create_record", when, dek_id="id", data=data)
        fresh().refuse(DekNotFoundError, "load_record", f"after that, {when}", dek_id="id")
        _holds(fresh(), "kept", b"kept", kept, f"create_record {when}")

    @clause(StorageSpec.replace_record)
    def test_replaced_record(self, fresh: Fresh) -> None:
        """Stores new data and returns the new revision.

        Cure: return the revision that the service gave the new data.
        """
        client = fresh()
        first = client.answer("create_record", dek_id="id", data=b"first")
        second = client.answer("replace_record", dek_id="id", data=b"second", revision=first)
        _holds(fresh(), "id", b"second", second, "replace_record")
        third = fresh().answer("replace_record", dek_id="id", data=b"", revision=second)
        _holds(client, "id", b"", third, "replace_record by another client")

    @clause(StorageSpec.replace_record)
    def test_replaced_by_the_largest(self, fresh: Fresh) -> None:
        """Takes data of 65536 bytes, and shorter data after it.

        Cure: give the field 65536 bytes of room, and write the whole of it each time.
        """
        client, largest = fresh(), bytes(range(256)) * (MAX_RECORD_SIZE // 256)
        first = client.answer("create_record", dek_id="id", data=b"first")
        second = client.answer("replace_record", dek_id="id", data=largest, revision=first)
        _holds(fresh(), "id", largest, second, "replace_record by 65536 bytes")
        third = client.answer("replace_record", dek_id="id", data=b"third", revision=second)
        _holds(fresh(), "id", b"third", third, "replace_record by fewer bytes")

    @pytest.mark.parametrize("hook", ["replace_record", "delete_record"])
    @clause(StorageSpec)
    def test_revision_of_a_former_record(self, fresh: Fresh, hook: str) -> None:
        """A revision of a record that was deleted is none of a later record's with other data.

        Otherwise who read the former record deletes or replaces the later one, and with it the only
        copy of its DEK. Equal data may have an equal revision, such as a checksum.

        Cure: take as revision what no later record of the id has again: a checksum, a
        random token or a number that deleting does not reset.
        """
        client = fresh()
        former = client.answer("create_record", dek_id="id", data=b"former")
        client.answer("delete_record", dek_id="id", revision=former)
        later = fresh().answer("create_record", dek_id="id", data=b"later!")
        when = "at the revision of a record that was deleted"
        data = {"data": b"stale!"} if hook == "replace_record" else {}
        fresh().refuse(ConflictError, hook, when, dek_id="id", revision=former, **data)
        _holds(fresh(), "id", b"later!", later, f"{hook} {when}")

    @clause(StorageSpec.replace_record)
    def test_stale_replace(self, fresh: Fresh) -> None:
        """Raises ConflictError at another revision, and changes nothing.

        Cure: send the revision as a condition of the request, and name its refusal as
        ConflictError.
        """
        stale, revision = _replaced(fresh())
        when = "at a stale revision"
        arguments = {"dek_id": "id", "data": b"third", "revision": stale}
        fresh().refuse(ConflictError, "replace_record", when, **arguments)
        _holds(fresh(), "id", b"second", revision, f"replace_record {when}")

    @clause(StorageSpec.delete_record)
    def test_stale_delete(self, fresh: Fresh) -> None:
        """Raises ConflictError at another revision, and changes nothing.

        Cure: send the revision as a condition of the request, and name its refusal as
        ConflictError.
        """
        stale, revision = _replaced(fresh())
        when = "at a stale revision"
        fresh().refuse(ConflictError, "delete_record", when, dek_id="id", revision=stale)
        _holds(fresh(), "id", b"second", revision, f"delete_record {when}")

    @clause(StorageSpec.load_record)
    def test_load_missing(self, fresh: Fresh) -> None:
        """Raises DekNotFoundError.

        Cure: name the answer of your service that nothing is stored there as
        DekNotFoundError.
        """
        fresh().refuse(DekNotFoundError, "load_record", "of a missing record", dek_id="id")

    @clause(StorageSpec.load_record)
    def test_load_again(self, fresh: Fresh) -> None:
        """Reads the record as it is now, also where this client has read it before.

        Cure: keep no record, and no sign that one is missing; ask the service each time.
        """
        reader, writer = fresh(), fresh()
        reader.refuse(DekNotFoundError, "load_record", "of a missing record", dek_id="id")
        first = writer.answer("create_record", dek_id="id", data=b"first")
        _holds(reader, "id", b"first", first, "create_record by another client")
        second = writer.answer("replace_record", dek_id="id", data=b"second", revision=first)
        _holds(reader, "id", b"second", second, "replace_record by another client")
        writer.answer("delete_record", dek_id="id", revision=second)
        reader.refuse(DekNotFoundError, "load_record", "of a deleted record", dek_id="id")

    @clause(StorageSpec.replace_record)
    def test_replace_missing(self, fresh: Fresh) -> None:
        """Raises DekNotFoundError, and stores nothing.

        Cure: update only what is there, and tell what is missing as DekNotFoundError.
        """
        client, when = fresh(), "of a missing record"
        revision = client.answer("create_record", dek_id="there", data=b"data")
        arguments = {"dek_id": "id", "data": b"data", "revision": revision}
        client.refuse(DekNotFoundError, "replace_record", when, **arguments)
        fresh().refuse(DekNotFoundError, "load_record", "after that", dek_id="id")

    @clause(StorageSpec.delete_record)
    def test_delete_missing(self, fresh: Fresh) -> None:
        """Raises DekNotFoundError.

        Cure: tell what is missing as DekNotFoundError, also where your service calls it a
        success.
        """
        client, when = fresh(), "of a missing record"
        revision = client.answer("create_record", dek_id="there", data=b"data")
        client.refuse(DekNotFoundError, "delete_record", when, dek_id="id", revision=revision)

    @clause(StorageSpec.delete_record)
    def test_deleted_record(self, fresh: Fresh) -> None:
        """Deletes: the record is neither loaded nor listed any more.

        Cure: remove the record itself, and from whatever the listing reads.
        """
        client = fresh()
        revision = client.answer("create_record", dek_id="id", data=b"data")
        client.answer("delete_record", dek_id="id", revision=revision)
        fresh().refuse(DekNotFoundError, "load_record", "of a deleted record", dek_id="id")
        expect("list_dek_ids after delete_record", [], fresh().list_ids())

    @clause(StorageSpec.create_record)
    def test_create_after_delete(self, fresh: Fresh) -> None:
        """Takes an id whose record was deleted.

        Cure: leave nothing of a deleted record that a create meets.
        """
        client = fresh()
        first = client.answer("create_record", dek_id="id", data=b"first")
        client.answer("delete_record", dek_id="id", revision=first)
        when = "after delete_record"
        second = fresh().answer("create_record", when, dek_id="id", data=b"second")
        _holds(fresh(), "id", b"second", second, f"create_record {when}")

    @clause(StorageSpec)
    def test_other_records_stay(self, fresh: Fresh) -> None:
        """``replace_record`` and ``delete_record`` change the record of this dek_id alone.

        Cure: name the record in each request by its whole dek_id.
        """
        client = fresh()
        kept = client.answer("create_record", dek_id="kept", data=b"kept")
        first = client.answer("create_record", dek_id="id", data=b"first")
        second = client.answer("replace_record", dek_id="id", data=b"second", revision=first)
        _holds(fresh(), "kept", b"kept", kept, "replace_record of another record")
        client.answer("delete_record", dek_id="id", revision=second)
        _holds(fresh(), "kept", b"kept", kept, "delete_record of another record")

    @clause(StorageSpec.load_record)
    def test_oversized_record(self, fresh: Fresh, harness: StorageHarness) -> None:
        """Reads at most MAX_RECORD_SIZE + 1 bytes of what others stored.

        Cure: stop reading after MAX_RECORD_SIZE + 1 bytes; core then says that the record
        is too large.
        """
        plant = skip_without(harness, "plant_record")
        plant("id", bytes(3 * MAX_RECORD_SIZE))
        client = fresh()
        revision = client.answer("create_record", dek_id="other", data=b"other")
        for _ in range(2):  # what is left of it is never the answer to the next call
            stored: StoredRecord = client.answer("load_record", dek_id="id")
            size = len(stored.data)
            expect("load_record of 196608 bytes: how many it read", MAX_RECORD_SIZE + 1, size)
            _holds(client, "other", b"other", revision, "load_record of 196608 bytes")

    @clause(StorageSpec.describe_storage)
    def test_description(self, fresh: Fresh) -> None:
        """Says where the records are: all clients of one store say the same, in some words.

        Cure: return the same address of the store from every client, made from the config.
        """
        first, second = (fresh().answer("describe_storage") for _ in range(2))
        expect("describe_storage by another client", first, second)
        expect(
            "describe_storage: whether it says anything", expected=True, seen=bool(first.location)
        )

    @clause(BackendSpec)
    def test_threads(self, fresh: Fresh) -> None:
        """All hooks may be called from several threads at once, on one client.

        Cure: keep what belongs to one call in local variables, and give each thread a
        connection if one cannot be shared.
        """
        client, ids = fresh(), [f"id-{n}" for n in range(RACERS)]
        create = partial(client.answer, "create_record")
        revisions = race([partial(create, dek_id=i, data=i.encode()) for i in ids])
        for dek_id, revision in zip(ids, revisions, strict=True):
            _holds(fresh(), dek_id, dek_id.encode(), revision, "create_record in 16 threads")
        seen = race([partial(client.answer, "load_record", dek_id=dek_id) for dek_id in ids])
        data = [getattr(record, "data", b"") for record in seen]
        expect("load_record in 16 threads", [dek_id.encode() for dek_id in ids], data)


def _replaced(client: Client) -> tuple[str, str]:
    """The stale and the present revision of a record."""
    first: str = client.answer("create_record", dek_id="id", data=b"first.")  # as long as "second"
    second: str = client.answer("replace_record", dek_id="id", data=b"second", revision=first)
    return first, second


def _holds(client: Client, dek_id: str, data: bytes, revision: object, after: str) -> None:
    stored: StoredRecord = client.answer("load_record", f"after {after}", dek_id=dek_id)
    expect(f"load_record after {after}: the data", data, stored.data)
    expect(f"load_record after {after}: the revision", revision, stored.revision)
