"""What a storage must do when many clients want the same record at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any, ClassVar

from kms_core._racing import RACERS, race
from kms_core._values import StoredRecord
from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import ConflictError, DekExistsError, DekNotFoundError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import (
    Client,
    ErrorKind,
    Fresh,
    answered,
    expect,
    named,
    shown,
)

_ATTEMPTS = 100
_COUNTS = 4
_REPLACES = 100
_DATA = [bytes([n]) * 4096 for n in range(RACERS)]


class StorageRaceChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about races."""

    race_rounds: ClassVar[int] = 20
    """How often clients race for a new record. A store that looks first, and writes then, shows
    that only now and then."""

    @clause(StorageSpec.create_record)
    def test_racing_creates(self, fresh: Fresh) -> None:
        """Of all clients exactly one succeeds, and its data is stored.

        Cure: have the service itself refuse the second create, in one request: a unique
        key, If-None-Match, a generation of 0. Looking first does not help.
        """
        racers = _warm(fresh)
        for dek_id in _ids(self.race_rounds):
            seen = race(
                [partial(_create, c, dek_id, d) for c, d in zip(racers, _DATA, strict=True)]
            )
            winner = _only_winner("create_record", seen, DekExistsError)
            _is_stored("create_record", racers[0], dek_id, _DATA[winner], seen[winner])

    @clause(StorageSpec.create_record)
    def test_losers_read_the_winner(self, fresh: Fresh) -> None:
        """Raises DekExistsError only when every client sees the record whole.

        Cure: write the record with its data in one step; reserve no name before the data is
        there.
        """
        racers = _warm(fresh)
        for dek_id in _ids(self.race_rounds):
            calls = zip(racers, _DATA, strict=True)
            seen = race([partial(_create_or_load, c, dek_id, d) for c, d in calls])
            for data in seen:
                expect("load_record after losing create_record", seen[0], data)

    @clause(StorageSpec.replace_record)
    def test_racing_replaces(self, fresh: Fresh) -> None:
        """Stores only if the record is still at the revision: one succeeds.

        Cure: have the service itself compare the revision, in one request: If-Match, WHERE
        revision = …
        """
        racers = _warm(fresh)
        for dek_id in _ids(max(1, self.race_rounds // 4)):
            first = racers[0].answer("create_record", dek_id=dek_id, data=b"first")
            replace = partial(_replace, dek_id=dek_id, revision=first)
            seen = race([partial(replace, c, data=d) for c, d in zip(racers, _DATA, strict=True)])
            winner = _only_winner("replace_record", seen, ConflictError)
            _is_stored("replace_record", racers[0], dek_id, _DATA[winner], seen[winner])

    @clause(StorageSpec.replace_record)
    def test_racing_counts(self, fresh: Fresh) -> None:
        """Returns the revision of its own data: who goes on from it overwrites nobody's.

        Cure: return the revision that the answer to the write names; read none afterwards.
        """
        racers = _warm(fresh)
        racers[0].answer("create_record", dek_id="count", data=b"0 of nobody")
        seen = race([partial(_count_up, client, n) for n, client in enumerate(racers)])
        stored: StoredRecord = racers[0].answer("load_record", dek_id="count")
        errors = [shown(one) for one in seen if isinstance(one, KmsError)]
        expect("replace_record by 16 clients that count: their errors", [], errors)
        given = [revision for one in seen if isinstance(one, list) for revision in one]
        told = "replace_record by 16 clients that count: how many revisions they were given"
        expect(told, len(given), len(set(given)))
        expect("replace_record by 16 clients that count: the count", len(given), _count(stored))

    @clause(StorageSpec.replace_record)
    def test_fast_replaces(self, fresh: Fresh) -> None:
        """Gives each state of a record a revision of its own, however fast they follow.

        Cure: take as revision a checksum, a random token or a number that the service counts up; a
        time is the same for what is done within its step.
        """
        client = fresh()
        seen = [client.answer("create_record", dek_id="id", data=b"0")]
        for number in range(1, _REPLACES):
            arguments = {"dek_id": "id", "data": b"%d" % number, "revision": seen[-1]}
            seen.append(client.answer("replace_record", **arguments))
        told = f"replace_record, {_REPLACES - 1} times in turn: how many revisions there are"
        expect(told, _REPLACES, len(set(seen)))

    @clause(StorageSpec.load_record)
    def test_loads_while_replaced(self, fresh: Fresh) -> None:
        """While a record is replaced it is there, whole, as it was or as it is now.

        Cure: put the new data in place of the old in one step of the service. Were the record away
        for a moment, ``get_dek`` would make another DEK of that id.
        """
        writer, readers = fresh(), [fresh() for _ in range(4)]
        revision, over = writer.answer("create_record", dek_id="id", data=_DATA[0]), Event()

        def read(reader: Client) -> None:
            while not over.is_set():
                stored = reader.answer("load_record", "while it is replaced", dek_id="id")
                whole = stored.data in _DATA
                expect("load_record while it is replaced: whole", expected=True, seen=whole)

        with ThreadPoolExecutor(len(readers)) as pool:
            reading = [pool.submit(read, reader) for reader in readers]
            try:
                for data in _DATA * 3:
                    arguments = {"dek_id": "id", "data": data, "revision": revision}
                    revision = writer.answer("replace_record", **arguments)
            finally:
                over.set()
            for reads in reading:
                reads.result()

    @clause(StorageSpec.delete_record)
    def test_racing_deletes(self, fresh: Fresh) -> None:
        """Deletes the record that is there: one client succeeds.

        Cure: have the service itself compare the revision, in one request: If-Match, WHERE
        revision = …
        """
        racers = _warm(fresh)
        for dek_id in _ids(max(1, self.race_rounds // 4)):
            first = racers[0].answer("create_record", dek_id=dek_id, data=b"first")
            there = {"dek_id": dek_id, "revision": first}
            seen = race([partial(racer.call, "delete_record", **there) for racer in racers])
            _only_winner("delete_record", seen, (DekNotFoundError, ConflictError))

    @clause(StorageSpec.delete_record)
    def test_deletes_race_replaces(self, fresh: Fresh) -> None:
        """What another client replaces meanwhile stays: it is at a newer revision.

        It holds the only copy of its DEK.

        Cure: have the service itself compare the revision, in one request: If-Match, WHERE
        revision = …; looking first does not help.
        """
        racers = _warm(fresh)
        for dek_id in _ids(self.race_rounds):
            first = racers[0].answer("create_record", dek_id=dek_id, data=b"first")
            there = {"dek_id": dek_id, "revision": first}
            replaces = [partial(_replace, c, data=b"newer", **there) for c in racers[::8]]
            deletes = [partial(c.call, "delete_record", **there) for c in racers[1::2]]
            seen = race([*replaces, *deletes])  # who comes last is the first to go on
            if any(isinstance(one, str) for one in seen):  # the revision of a replacement
                when = "whose replacement won against delete_record"
                stored = answered(f"delete_record: a record {when}", _load(racers[0], dek_id))
                expect(f"delete_record: a record {when}", b"newer", stored.data)


def _ids(rounds: int) -> list[str]:
    return [f"race-{number}" for number in range(max(rounds, 1))]


def _warm(fresh: Fresh) -> list[Client]:
    """Clients that have connected and written, and done whatever else they do only once.

    Those that begin at the race begin at different moments, which hides what it is to show.
    """
    racers = [fresh() for _ in range(RACERS)]
    create = [partial(racer.answer, "create_record", data=b"warm") for racer in racers]
    race([partial(call, dek_id=f"warm-{number}") for number, call in enumerate(create)])
    return racers


def _replace(client: Client, **arguments: Any) -> str:
    revision: str = client.call("replace_record", **arguments)
    return revision


def _create(client: Client, dek_id: str, data: bytes) -> str:
    """Create as core does: a ConflictError says that nothing is known, so start again."""
    for _ in range(_ATTEMPTS):
        with suppress(ConflictError):
            revision: str = client.call("create_record", dek_id=dek_id, data=data)
            return revision
    raise AssertionError(f"create_record: expected an end to ConflictError after {_ATTEMPTS} times")


def _load(client: Client, dek_id: str) -> Callable[[], StoredRecord]:
    return partial(client.call, "load_record", dek_id=dek_id)


def _create_or_load(client: Client, dek_id: str, data: bytes) -> bytes:
    try:
        _create(client, dek_id, data)
    except DekExistsError:
        stored: StoredRecord = client.answer("load_record", "after losing", dek_id=dek_id)
        return stored.data
    return data


def _only_winner(hook: str, seen: Sequence[object], loses_with: ErrorKind) -> int:
    losers = [outcome for outcome in seen if isinstance(outcome, KmsError)]
    others = {shown(error) for error in losers if not isinstance(error, loses_with)}
    expect(f"{hook} that lost a race: errors other than {named(loses_with)}", set(), others)
    winners = [n for n, outcome in enumerate(seen) if outcome not in losers]
    expect(f"{hook} by {len(seen)} clients at once: how many succeed", 1, len(winners))
    return winners[0]


def _is_stored(hook: str, client: Client, dek_id: str, data: bytes, revision: object) -> None:
    stored: StoredRecord = client.answer("load_record", dek_id=dek_id)
    expect(f"{hook}: the winner's data is what is stored", data, stored.data)
    expect(f"{hook}: the winner's revision is what is stored", revision, stored.revision)


def _count_up(client: Client, racer: int) -> list[str]:
    """Add one to the record, each time from what was seen last; the revisions that this gave.

    What each writes is its own, as records are: core takes its own data for written.
    """
    given: list[str] = []
    stored: StoredRecord = client.call("load_record", dek_id="count")
    for _ in range(_COUNTS):
        data = f"{_count(stored) + 1} of {racer}".encode()
        replace = partial(client.call, "replace_record", dek_id="count", data=data)
        try:
            stored = StoredRecord(data, replace(revision=stored.revision))
            given.append(stored.revision)
        except ConflictError:
            stored = client.call("load_record", dek_id="count")
    return given


def _count(stored: StoredRecord) -> int:
    return int(stored.data.split()[0])
