"""Lets a suite run on a store that is in use: on ids of its own, which are removed again."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

from kms_core._doctor.leftovers import remove_records
from kms_core._values import MAX_DEK_ID_SIZE, Risk, StorageInfo, StoredRecord
from kms_core.backend.hookspecs import StorageSpec, hookimpl
from kms_core.backend.parameters import BackendConfig
from kms_core.errors import AccessDeniedError, KmsError


class OwnIds:
    """The ids of one check in the store: all begin with a prefix that nobody else's have."""

    def __init__(self) -> None:
        self.prefix = f"kms-check-{token_hex(6)}-"
        self._given: dict[str, str] = {}
        self.created: set[str] = set()

    def stored(self, dek_id: str) -> str:
        """The id in the store. One that is too long with the prefix loses its end."""
        room = MAX_DEK_ID_SIZE - len(self.prefix)
        stored = self.prefix + dek_id.encode()[:room].decode(errors="ignore")
        self._given[stored] = dek_id
        return stored

    def given(self, stored: str) -> str:
        """The id that the suite knows it by."""
        return self._given.get(stored, stored.removeprefix(self.prefix))

    def remove_all(self, store: StorageSpec) -> dict[str, str]:
        """Delete the records that were created; return those that could not be, and why."""
        problems = remove_records(store, sorted(self.created))
        return {stored: str(why) for stored, why in problems.items() if not _may_be_missing(why)}


def _may_be_missing(error: KmsError) -> bool:
    return isinstance(error, AccessDeniedError) and error.maybe_missing


class OwnIdsStorage(StorageSpec):
    """A store as a suite sees it that is given no ids but its own."""

    Config = BackendConfig

    def __init__(self, store: StorageSpec, ids: OwnIds) -> None:
        self._store = store
        self._ids = ids

    def __repr__(self) -> str:
        return repr(self._store)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        """Load the record of the id in the store."""
        return self._store.load_record(dek_id=self._ids.stored(dek_id))

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        """Create it, and remember that: also if it fails, because it may be there all the same."""
        stored = self._ids.stored(dek_id)
        self._ids.created.add(stored)
        return self._store.create_record(dek_id=stored, data=data)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        """Replace it."""
        stored = self._ids.stored(dek_id)
        return self._store.replace_record(dek_id=stored, data=data, revision=revision)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        """Delete it."""
        self._store.delete_record(dek_id=self._ids.stored(dek_id), revision=revision)

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """List the ids with the prefix, and no others."""
        for stored in self._store.list_dek_ids(prefix=self._ids.prefix + prefix):
            yield self._ids.given(stored)

    @hookimpl
    def describe_storage(self) -> StorageInfo:
        """Describe the store."""
        return self._store.describe_storage()

    @hookimpl
    def close(self) -> None:
        """Close the client of the store."""
        self._store.close()


class _CountsOld(OwnIdsStorage):
    @hookimpl
    def count_old_records(self, prefix: str) -> int:
        """Count the earlier states of the records of the ids with the prefix, and no others."""
        return self._store.count_old_records(prefix=self._ids.prefix + prefix)


class _TellsHealth(OwnIdsStorage):
    @hookimpl
    def check_health(self) -> None:
        """Ask after the store's health."""
        self._store.check_health()


class _FindsRisks(OwnIdsStorage):
    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:
        """Find the store's risks."""
        return self._store.find_risks(dek_id=self._ids.stored(dek_id))


_OPTIONAL = {
    "count_old_records": _CountsOld,
    "find_risks": _FindsRisks,
    "check_health": _TellsHealth,
}


def on_own_ids(store: StorageSpec, ids: OwnIds) -> OwnIdsStorage:
    """The store as a suite sees it, with the optional hooks that it has."""
    parts = [part for hook, part in _OPTIONAL.items() if _has(type(store), hook)]
    seen: type[OwnIdsStorage] = type("OwnIdsStorage", (*parts, OwnIdsStorage), {})
    return seen(store, ids)


def _has(kind: type, hook: str) -> bool:
    return getattr(kind, hook) is not getattr(StorageSpec, hook)
