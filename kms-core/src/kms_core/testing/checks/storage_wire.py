"""What becomes of a record whose writer never heard that it was written."""

from __future__ import annotations

from contextlib import suppress

import pytest

from kms_core._values import StoredRecord
from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import ConflictError, DekExistsError, DekNotFoundError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Fresh, expect, shown
from kms_core.testing._harness.wire import Fault, FaultyWire
from kms_core.testing.checks.wire import FAILED

_FAULTS: tuple[Fault, ...] = (
    "loses the answer",
    "cuts the answer",
    "is dropped before the request",
)
_DATA = bytes(range(256)) * 16


class StorageWireChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about lost answers."""

    @pytest.mark.parametrize("fault", _FAULTS)
    @clause(StorageSpec.create_record)
    def test_lost_create(
        self,
        fresh: Fresh,
        wire: FaultyWire,
        through: Fresh,
        fault: Fault,
    ) -> None:
        """Over a wire that fails once a record is there whole, or nobody says that it is there.

        UnavailableError leaves open whether it is there. DekExistsError and ConflictError may come
        from a second attempt of an SDK, which meets the record of the first; core then compares.

        Cure: write the record in one request, and raise UnavailableError when its answer
        does not come.
        """
        client, outcome = through(), None
        wire.spoil(fault, times=1)
        try:
            revision = client.call("create_record", dek_id="id", data=_DATA)
        except (*FAILED, DekExistsError, ConflictError) as error:
            revision, outcome = None, error
        except KmsError as error:
            told = f"create_record over a wire that {fault} once"
            raise AssertionError(
                f"{told}: expected success, UnavailableError or DekExistsError, saw {shown(error)}"
            ) from error
        _is_whole(fresh, outcome, revision)

    @pytest.mark.parametrize("fault", _FAULTS)
    @clause(StorageSpec.create_record)
    def test_lost_create_of_another(
        self,
        fresh: Fresh,
        wire: FaultyWire,
        through: Fresh,
        fault: Fault,
    ) -> None:
        """Never takes the record of another client for its own, whatever answer was lost.

        That there is a record after a failure does not say whose: its data does, and core compares
        that.

        Cure: after a lost answer raise UnavailableError or DekExistsError, and return no revision.
        """
        revision = fresh().answer("create_record", dek_id="id", data=b"of another")
        client, when = through(), f"of a stored id over a wire that {fault} once"
        wire.spoil(fault, times=1)
        refused = (*FAILED, DekExistsError, ConflictError)
        client.refuse(refused, "create_record", when, dek_id="id", data=_DATA)
        stored: StoredRecord = fresh().answer("load_record", dek_id="id")
        kept = StoredRecord(b"of another", revision)
        expect(f"create_record {when}: the record that was there", kept, stored)

    @pytest.mark.parametrize("fault", _FAULTS)
    @clause(StorageSpec.replace_record)
    def test_lost_replace(
        self,
        fresh: Fresh,
        wire: FaultyWire,
        through: Fresh,
        fault: Fault,
    ) -> None:
        """Over a wire that fails once returns only if its own data is stored.

        Cure: raise UnavailableError after a lost answer, and look at nothing: core loads the
        record and compares its data.
        """
        first = fresh().answer("create_record", dek_id="id", data=b"first")
        with suppress(*FAILED, ConflictError):
            client = through()
            wire.spoil(fault, times=1)
            arguments = {"dek_id": "id", "data": _DATA, "revision": first}
            revision = client.call("replace_record", **arguments)
            stored: StoredRecord = fresh().answer("load_record", dek_id="id")
            told = f"replace_record that returned over a wire that {fault} once: what is stored"
            expect(told, StoredRecord(_DATA, revision), stored)

    @clause(StorageSpec.replace_record)
    def test_replace_in_parts(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """Whichever of its requests is lost, the record is there: the old one or the new one.

        It holds the only copy of its DEK.

        Cure: replace the record in one request; never delete first and create then.
        """
        client = through()
        for sound in range(3):
            there = {"dek_id": f"id-{sound}"}
            first = fresh().answer("create_record", **there, data=b"first")
            wire.spoil("is dropped before the request", times=1, after=sound)
            with suppress(*FAILED, ConflictError):
                client.call("replace_record", **there, data=_DATA, revision=first)
            wire.spoil(None)
            when = f"after replace_record whose request {sound + 1} was lost"
            stored: StoredRecord = fresh().answer("load_record", when, **there)
            whole = stored.data in {b"first", _DATA}
            told = f"replace_record: whether the record is whole {when}"
            expect(told, expected=True, seen=whole)

    @pytest.mark.parametrize("fault", _FAULTS)
    @pytest.mark.parametrize("hook", ["replace_record", "delete_record"])
    @clause(StorageSpec)
    def test_lost_stale_write(
        self, fresh: Fresh, wire: FaultyWire, through: Fresh, hook: str, fault: Fault
    ) -> None:
        """Over a wire that fails once a record at another revision is as before.

        Cure: repeat a write that was not answered with the condition that it had, or not at all.
        """
        client, there = through(), {"dek_id": "id"}
        stale = fresh().answer("create_record", **there, data=b"first")
        revision = fresh().answer("replace_record", **there, data=b"second", revision=stale)
        wire.spoil(fault, times=1)
        refused, when = (
            (*FAILED, ConflictError),
            f"at a stale revision over a wire that {fault} once",
        )
        data = {"data": _DATA} if hook == "replace_record" else {}
        client.refuse(refused, hook, when, **there, **data, revision=stale)
        stored: StoredRecord = fresh().answer("load_record", f"after {hook} {when}", **there)
        expect(f"{hook} {when}: the record", StoredRecord(b"second", revision), stored)


def _is_whole(fresh: Fresh, outcome: KmsError | None, revision: str | None) -> None:
    try:
        stored: StoredRecord = fresh().call("load_record", dek_id="id")
    except DekNotFoundError:
        may_be_missing = isinstance(outcome, (*FAILED, ConflictError))
        told = f"create_record: whether the record is there after {outcome or 'it succeeded'}"
        expect(told, expected=True, seen=may_be_missing)
        return
    expect("create_record whose answer was lost: the data that is stored", _DATA, stored.data)
    if revision is not None:
        expect("create_record: the revision that is stored", revision, stored.revision)
