"""What a storage must do when many clients want the same record at the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from kms_core._values import StoredRecord
from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import ConflictError, DekExistsError, DekNotFoundError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, ErrorKind, Fresh, expect, named, shown
from kms_core.testing._harness.racing import RACERS, race

_ATTEMPTS = 100
_DATA = [bytes([n]) * 4096 for n in range(RACERS)]


class StorageRaceChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about races."""

    @clause(StorageSpec.create_record)
    def test_racing_creates(self, fresh: Fresh) -> None:
        """Of all clients exactly one succeeds, and its data is stored."""
        seen = race([partial(_create, fresh(), data) for data in _DATA])
        winner = _only_winner("create_record", seen, DekExistsError)
        _is_stored("create_record", fresh(), _DATA[winner], seen[winner])

    @clause(StorageSpec.create_record)
    def test_losers_read_the_winner(self, fresh: Fresh) -> None:
        """Raises DekExistsError only when every client sees the record whole."""
        seen = race([partial(_create_or_load, fresh(), data) for data in _DATA])
        for data in seen:
            expect("load_record after losing create_record", seen[0], data)

    @clause(StorageSpec.replace_record)
    def test_racing_replaces(self, fresh: Fresh) -> None:
        """Stores only if the record is still at the revision: one succeeds."""
        first = fresh().answer("create_record", dek_id="id", data=b"first")
        arguments = {"dek_id": "id", "revision": first}
        calls = [partial(fresh().call, "replace_record", data=d, **arguments) for d in _DATA]
        seen = race(calls)
        winner = _only_winner("replace_record", seen, ConflictError)
        _is_stored("replace_record", fresh(), _DATA[winner], seen[winner])

    @clause(StorageSpec.delete_record)
    def test_racing_deletes(self, fresh: Fresh) -> None:
        """Deletes the record that is there: one client succeeds."""
        first = fresh().answer("create_record", dek_id="id", data=b"first")
        arguments = {"dek_id": "id", "revision": first}
        calls = [partial(fresh().call, "delete_record", **arguments) for _ in range(RACERS)]
        _only_winner("delete_record", race(calls), (DekNotFoundError, ConflictError))


def _create(client: Client, data: bytes) -> str:
    """Create as core does: a ConflictError says that nothing is known, so start again."""
    for _ in range(_ATTEMPTS):
        with suppress(ConflictError):
            revision: str = client.call("create_record", dek_id="id", data=data)
            return revision
    raise AssertionError(f"create_record: expected an end to ConflictError after {_ATTEMPTS} times")


def _create_or_load(client: Client, data: bytes) -> bytes:
    try:
        _create(client, data)
    except DekExistsError:
        stored: StoredRecord = client.answer("load_record", "after losing", dek_id="id")
        return stored.data
    return data


def _only_winner(hook: str, seen: Sequence[object], loses_with: ErrorKind) -> int:
    losers = [outcome for outcome in seen if isinstance(outcome, KmsError)]
    others = {shown(error) for error in losers if not isinstance(error, loses_with)}
    expect(f"{hook} that lost a race: errors other than {named(loses_with)}", set(), others)
    winners = [n for n, outcome in enumerate(seen) if outcome not in losers]
    expect(f"{hook} by {len(seen)} clients at once: how many succeed", 1, len(winners))
    return winners[0]


def _is_stored(hook: str, client: Client, data: bytes, revision: object) -> None:
    stored: StoredRecord = client.answer("load_record", dek_id="id")
    expect(f"{hook}: the winner's data is what is stored", data, stored.data)
    expect(f"{hook}: the winner's revision is what is stored", revision, stored.revision)
