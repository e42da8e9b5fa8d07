"""An opened storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from kms_core._plugins.clients.call import Client, Operation
from kms_core._values import Risk, StorageInfo, StoredRecord
from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import AccessDeniedError, ConfigError, ConflictError, DekNotFoundError

T = TypeVar("T")

_OF_NO_STATE = {"", "*"}
"""No state has such a revision: ``If-Match: *`` matches any (RFC 9110, section 13.1.1), and to many
servers a header without a value is none."""

_HARDLY_THERE = "kms-core asks for its health"
"""A dek_id to ask a store for that has no hook of its own to ask after its health."""


class StorageClient(Client[StorageSpec]):
    """An opened storage."""

    def load_record(self, dek_id: str) -> StoredRecord:
        """Read a record."""
        hook = self._hooks.load_record
        return self._call("load_record", hook, StoredRecord, dek_id, dek_id=dek_id)

    def create_record(self, dek_id: str, data: bytes) -> str:
        """Store a new record."""
        hook = self._hooks.create_record
        return self._call("create_record", hook, str, dek_id, dek_id=dek_id, data=data)

    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        """Store new data if the record is still at ``revision``."""
        self._refuse_any_state("replace_record", dek_id, revision)
        hook = self._hooks.replace_record
        try:
            return self._call(
                "replace_record", hook, str, dek_id, dek_id=dek_id, data=data, revision=revision
            )
        except ConflictError:
            stored = self._load_replaced(dek_id)
            if stored.data == data:  # an SDK that lost the answer tried again, and met our own
                return stored.revision
            raise

    def _load_replaced(self, dek_id: str) -> StoredRecord:
        try:
            return self.load_record(dek_id)
        except DekNotFoundError as missing:  # some stores call that a conflict
            missing.operation = "replace_record"
            raise

    def delete_record(self, dek_id: str, revision: str) -> None:
        """Delete the record if it is still at ``revision``."""
        self._refuse_any_state("delete_record", dek_id, revision)
        hook = self._hooks.delete_record
        self._call("delete_record", hook, type(None), dek_id, dek_id=dek_id, revision=revision)

    def _refuse_any_state(self, operation: Operation, dek_id: str, revision: str) -> None:
        if revision.strip() in _OF_NO_STATE:
            problem = (
                f"the revision {revision!r} is that of no state of a record, and might match any; "
                "read the record again"
            )
            raise self._located(ConflictError(problem), operation, dek_id)

    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """Return ids; each step is guarded like a call."""
        hook = self._hooks.list_dek_ids
        kind: type[Any] = Iterator
        found: Iterator[str] = self._call("list_dek_ids", hook, kind, None, prefix=prefix)
        return self._read_on(found, str, "list_dek_ids")

    def list_objects(self, prefix: str) -> Iterator[str]:
        """Return the names of objects, of whatever program; each step is guarded like a call.

        Raises:
            ConfigError: the backend cannot do that.
        """
        if not self.offers("list_objects"):
            problem = ConfigError(
                f"{self.backend} keeps no objects of other programs; open the store of the program "
                "that you come from"
            )
            raise self._located(problem, "list_objects", None)
        kind: type[Any] = Iterator
        hook = self._hooks.list_objects
        found: Iterator[str] = self._call("list_objects", hook, kind, None, prefix=prefix)
        return self._read_on(found, str, "list_objects")

    def load_object(self, name: str) -> bytes:
        """Read an object of this very name, which is one that was listed."""
        return self._call("load_object", self._hooks.load_object, bytes, name, name=name)

    def _read_on(self, found: Iterator[T], kind: type[T], operation: Operation) -> Iterator[T]:
        step = partial(copy_context().run, next, found)  # one context for all of its steps
        while True:
            with self.only_kms_errors(operation, None):
                try:
                    item = self._run(step, operation, None)
                except StopIteration:
                    return
                if not isinstance(item, kind):
                    raise self._wrong_type(item, kind, operation, None)
            yield item

    def count_old_records(self, prefix: str) -> int | None:
        """How many earlier states of records the store keeps; None if it does not tell."""
        if not self.offers("count_old_records"):
            return None
        hook = self._hooks.count_old_records
        return self._call("count_old_records", hook, int, None, prefix=prefix)

    def check_health(self) -> None:
        """Ask whether the store would serve a call now."""
        if self.offers("check_health"):
            self._call("check_health", self._hooks.check_health, type(None), None)
            return
        try:
            self.load_record(_HARDLY_THERE)
        except DekNotFoundError:
            pass
        except AccessDeniedError as error:
            if not error.maybe_missing:
                raise

    def find_risks(self, dek_id: str) -> list[Risk]:
        """What works and may do harm one day, as far as the backend knows."""
        if not self.offers("find_risks"):
            return []
        hook = self._hooks.find_risks
        return self._only_risks(self._call("find_risks", hook, list, dek_id, dek_id=dek_id))

    def describe_storage(self) -> StorageInfo:
        """Say where the records are."""
        return self._call("describe_storage", self._hooks.describe_storage, StorageInfo, None)
