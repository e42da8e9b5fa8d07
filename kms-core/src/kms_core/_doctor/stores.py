"""Tries a store: by records of its own, which are removed again where that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import TypeVar, cast

from kms_core._doctor.keks import find_risks, open_client
from kms_core._doctor.network import examine_network
from kms_core._doctor.report import Section, lacks_permission, split_message
from kms_core._plugins.clients import StorageClient
from kms_core._plugins.prepared import PreparedBackend
from kms_core._racing import race
from kms_core.errors import (
    AccessDeniedError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KmsError,
)

T = TypeVar("T")

_CLIENTS = 8
_ROUNDS = 5
_ROUNDS_THAT_STAY = 2
"""Races where no record may be deleted."""
_DATA = [bytes([number]) * 1024 for number in range(_CLIENTS)]
_NEEDED = ("load_record", "create_record")
"""What ``get_dek`` calls."""
_NEVER_DELETED = "get_dek never deletes"
_OTHER_STORE = "use a store that honours conditional writes in one step with the write"


class OwnIds:
    """The ids of the records that are made here: each begins with a prefix that no other has.

    Attributes:
        prefix: what they begin with.
        made: those that may be there by now.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.made: list[str] = []

    def new(self) -> str:
        """Another one."""
        self.made.append(f"{self.prefix}{len(self.made)}")
        return self.made[-1]


def examine_store(
    section: Section, store: PreparedBackend, ids: OwnIds, *, may_create: bool
) -> None:
    """Try a store.

    Args:
        section: gets what is found.
        store: the storage.
        ids: those of the records that are made.
        may_create: whether the configuration lets a DEK be made; else nothing is written.
    """
    since = len(section.report.rows)
    examine_network(section, store.implementation, store.config)
    with ExitStack() as stack:
        client = open_client(section, store, stack)
        if isinstance(client, StorageClient):
            section.attempt("describe_storage", client.describe_storage, lambda info: info.location)
            if _examine_reading(section, client, ids) and may_create:
                try:
                    _Writing(section, client, store, ids).examine()
                except KmsError as error:  # of another client that was to be opened
                    section.fail(error.operation or "open", error)
            section.tell_permissions(store.implementation.permissions, _NEEDED, since)


def _examine_reading(section: Section, client: StorageClient, ids: OwnIds) -> bool:
    """Read what is not there; whether it makes sense to go on."""
    try:
        client.load_record(f"{ids.prefix}absent")
    except DekNotFoundError:
        section.ok("load_record", "of a record that is not there")
    except AccessDeniedError as error:
        section.fail("load_record", error, needed=not error.maybe_missing)
        return error.maybe_missing
    except KmsError as error:
        section.fail("load_record", error)
        return False
    return True


class _Writing:
    """What writes, and what it takes to look after records.

    Args:
        section: gets what is found.
        client: an opened client.
        store: opens others.
        ids: those of the records that are made.
    """

    def __init__(
        self, section: Section, client: StorageClient, store: PreparedBackend, ids: OwnIds
    ) -> None:
        self._section, self._client, self._store, self._ids = section, client, store, ids

    def examine(self) -> None:
        """Try it all."""
        dek_id = self._ids.new()
        create = partial(self._client.create_record, dek_id, _DATA[0])
        revision = self._section.attempt("create_record", create)
        if revision is None or not self._is_kept(dek_id):
            return
        find_risks(self._section, partial(self._client.find_risks, dek_id))
        revision = self._examine_replacing(dek_id, revision)
        self._examine_listing(dek_id)
        may_delete = self._examine_deleting(dek_id, revision)
        self._examine_races(may_delete=may_delete)

    def _is_kept(self, dek_id: str) -> bool:
        """Whether another client finds the record, and cannot create it again."""
        with closing(cast("StorageClient", self._store.open())) as other:
            return self._is_loaded(other, dek_id) and self._is_refused(other, dek_id)

    def _is_loaded(self, other: StorageClient, dek_id: str) -> bool:
        try:
            stored = other.load_record(dek_id)
        except DekNotFoundError:
            text = "a fresh client does not find what was just stored"
            cure = "use a store that all clients share, and that shows what is written at once"
        except KmsError as error:
            self._section.fail("load_record", error)
            return False
        else:
            if stored.data == _DATA[0]:
                self._section.ok("load_record", "by a fresh client")
                return True
            text = "the store returns other bytes than it was given"
            cure = "check what stands before the store, or use another one"
        self._section.find("load_record", "FORGETS", text, cure, fails=True)
        return False

    def _is_refused(self, other: StorageClient, dek_id: str) -> bool:
        """Whether a second create of the same id is refused."""
        try:
            other.create_record(dek_id, _DATA[1])
        except DekExistsError:
            self._section.ok("create_record", "of a record that is there: refused")
            return True
        except KmsError as error:
            self._section.fail("create_record", error)
            return False
        text = "the store overwrites a record that is there: a DEK would be lost"
        self._section.find("create_record", "OVERWRITES", text, _OTHER_STORE, fails=True)
        return False

    def _examine_replacing(self, dek_id: str, revision: str) -> str:
        """Replace it, and once more from the old revision; return the newest revision."""
        step, needs = "replace_record", "only a rewrap replaces records"
        newest = self._maintain(
            step, needs, partial(self._client.replace_record, dek_id, _DATA[1], revision)
        )
        if newest is None:
            return revision
        try:
            self._client.replace_record(dek_id, _DATA[2], revision)
        except ConflictError:
            self._section.ok(step, "from an old revision: refused")
            return newest
        except KmsError as error:
            self._section.fail(step, error, needed=False)
            return newest
        text = f"the store replaces a record that has changed: a rewrap may lose a DEK; {needs}"
        self._section.find(step, "STALE", text, _OTHER_STORE)
        return self._client.load_record(dek_id).revision

    def _examine_listing(self, dek_id: str) -> None:
        listed = self._maintain(
            "list_dek_ids",
            "get_dek never lists",
            lambda: dek_id in [*self._client.list_dek_ids(self._ids.prefix)],
        )
        if listed is False:
            text = "the listing lacks a record that is there; get_dek never lists"
            cure = "use a store that lists what was written, or name ids where you can"
            self._section.find("list_dek_ids", "UNLISTED", text, cure)

    def _examine_deleting(self, dek_id: str, revision: str) -> bool:
        def delete() -> bool:
            self._client.delete_record(dek_id, revision)
            return True

        return self._maintain("delete_record", _NEVER_DELETED, delete) is not None

    def _maintain(self, step: str, needs: str, call: Callable[[], T]) -> T | None:
        """Try what get_dek does without; a permission that is missing may be meant to be."""
        try:
            answer = call()
        except KmsError as error:
            if lacks_permission(error):
                cause, cure = split_message(error)
                self._section.find(step, "LESS", f"{cause}; {needs}", f"if that is wanted: {cure}")
            else:
                self._section.fail(step, error, needed=False)
            return None
        self._section.ok(step)
        return answer

    def _examine_races(self, *, may_delete: bool) -> None:
        try:
            lost = self._is_lost_in_a_race(_ROUNDS if may_delete else _ROUNDS_THAT_STAY)
        except KmsError as error:
            self._section.fail("race", error)
            return
        if not lost:
            self._section.ok("race", f"{_CLIENTS} clients create one record: one of them succeeds")
            return
        text = "of clients that create one record at once, two are told that theirs is stored"
        self._section.find("race", "RACES", text, _OTHER_STORE, fails=True)

    def _is_lost_in_a_race(self, rounds: int) -> bool:
        with ExitStack() as stack:
            opened = (cast("StorageClient", self._store.open()) for _ in range(_CLIENTS))
            racers = [stack.enter_context(closing(racer)) for racer in opened]
            # The first connects them: what begins at different moments hides a race.
            return any(self._loses(racers) for _ in range(1 + rounds))

    def _loses(self, racers: list[StorageClient]) -> bool:
        dek_id = self._ids.new()
        creates = zip(racers, _DATA, strict=False)
        seen = race([partial(racer.create_record, dek_id, data) for racer, data in creates])
        winners = [data for data, won in zip(_DATA, seen, strict=False) if isinstance(won, str)]
        return winners not in ([], [self._client.load_record(dek_id).data])
