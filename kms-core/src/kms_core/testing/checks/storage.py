"""The contract of a storage as tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import ConflictError, DekExistsError, DekNotFoundError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import (
    Client,
    Fresh,
    Scheme,
    clients,
    expect,
    refused,
    skip_without,
)
from kms_core.testing._harness.harness import StorageHarness
from kms_core.testing.checks.errors import Requests
from kms_core.testing.checks.optional import StorageOptionalChecks
from kms_core.testing.checks.sessions import SessionChecks
from kms_core.testing.checks.shared import Provoked
from kms_core.testing.checks.storage_listing import StorageListingChecks
from kms_core.testing.checks.storage_races import StorageRaceChecks
from kms_core.testing.checks.storage_records import StorageRecordChecks
from kms_core.testing.checks.storage_wire import StorageWireChecks
from kms_core.testing.checks.wire import Questions


class StorageConformance(
    StorageRecordChecks,
    StorageListingChecks,
    StorageRaceChecks,
    StorageOptionalChecks,
    StorageWireChecks,
    SessionChecks,
):
    """Subclass it, and define the fixture ``harness``, which returns a :class:`StorageHarness`.

    Clients of a store in memory may be one object.
    """

    harness_type = StorageHarness

    scheme: ClassVar[Scheme] = "storage"
    harmless = ("describe_storage", {})

    @clause(StorageSpec.load_record)
    def test_missing_store(self, harness: StorageHarness) -> None:
        """A store that is not there is no store without the record, and is never told as one.

        Cure: tell the code of a missing store from that of a missing record, and raise ConfigError
        for it. Else core makes new DEKs wherever a disk is not mounted or a name is mistyped.
        """
        open_storage = skip_without(harness, "open_missing")
        with clients(open_storage, self.scheme) as missing:
            _tells_of_no_record("load_record", lambda: missing().call("load_record", dek_id="id"))
            _tells_of_no_record("list_dek_ids", lambda: missing().finish("list_dek_ids", prefix=""))

    def use(self, client: Client) -> None:
        """Create, load and delete a record."""
        revision = client.answer("create_record", dek_id="used", data=b"data")
        client.answer("load_record", dek_id="used")
        client.answer("delete_record", dek_id="used", revision=revision)

    def requests(self, client: Client) -> Requests:
        """Load, list, create, replace and delete; a storage may describe itself without asking."""
        there = {"dek_id": "there"}
        revision = client.answer("create_record", **there, data=b"data")
        requests: dict[str, Mapping[str, Any]] = {
            "load_record": there,
            "list_dek_ids": {"prefix": ""},
            "count_old_records": {"prefix": ""},
            "check_health": {},
            "create_record": {"dek_id": "new", "data": b"data"},
            "replace_record": {**there, "data": b"data", "revision": revision},
            "delete_record": {**there, "revision": revision},
        }
        return {hook: needs for hook, needs in requests.items() if client.bound.offers(hook)}

    def questions(self, fresh: Fresh) -> Questions:
        """Load one record, and another."""
        client, arguments = fresh(), [{"dek_id": "first"}, {"dek_id": "second"}]
        for there in arguments:
            client.answer("create_record", **there, data=there["dek_id"].encode())
        records = [client.answer("load_record", **there) for there in arguments]
        return Questions("load_record", [*zip(arguments, records, strict=True)])

    def provoke(self, fresh: Fresh) -> Provoked:
        """Ask for what is not there, already there, or no longer so."""
        client = fresh()
        first = client.answer("create_record", dek_id="there", data=b"1")
        client.answer("replace_record", dek_id="there", data=b"2", revision=first)
        there, stale = {"dek_id": "there"}, {"dek_id": "there", "revision": first}
        refuse = client.refuse
        return Provoked(
            [
                refuse(DekNotFoundError, "load_record", "of a missing record", dek_id="missing"),
                refuse(DekExistsError, "create_record", "of a stored id", **there, data=b"3"),
                refuse(ConflictError, "replace_record", "at a stale revision", **stale, data=b"3"),
                refuse(ConflictError, "delete_record", "at a stale revision", **stale),
            ],
            [],
        )


def _tells_of_no_record(hook: str, call: Callable[[], object]) -> None:
    told = f"{hook} of a store that is not there"
    is_said = isinstance(refused(KmsError, told, call), DekNotFoundError)
    expect(f"{told}: whether it says that a record is missing", expected=False, seen=is_said)
