"""The part of the façade for who looks after stored DEKs: shown, wrapped again, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from kms_core._events import Observers, observe
from kms_core._facade import Facade
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import Bulk, DekInfo, Outcome, WrappedDek
from kms_core.errors import ConfigError, UnavailableError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._deks.cache import DekCache
    from kms_core._deks.derived import DerivedDeks
    from kms_core._deks.record import WrappedBy
    from kms_core._deks.records import Records
    from kms_core._deks.stored import StoredDeks
    from kms_core._deks.upkeep import Rewrap, Upkeep


T = TypeVar("T")

Done: TypeAlias = "tuple[bool, DekInfo | None, WrappedDek | WrappedBy | None]"
"""Whether it changed anything; what the record said before; what names the KEK that wraps now."""

AS_USUAL = Bulk()


class Lifecycle(Facade):
    """What can be done with DEKs that are stored. A KEK that derives its DEKs refuses all of it."""

    def __init__(
        self,
        deks: StoredDeks | DerivedDeks,
        resources: ExitStack,
        observers: Observers = (),
        *,
        cache: DekCache | None = None,
        timeout: float | None = None,
    ) -> None:
        from kms_core._deks.time_limit import TimeLimit

        super().__init__(deks.kek, resources)
        self._deks = deks
        self._observers = observers
        self._cache = cache
        self._limit = TimeLimit(timeout)
        self._era = object()  # of this Kms; a new one begins with each change
        resources.callback(self._limit.close)

    @without_locals
    def describe_dek(self, dek_id: str) -> DekInfo:
        """Say what the record of a DEK says, without asking the KMS.

        Args:
            dek_id: whose record.

        Raises:
            DekNotFoundError: there is none.
            RecordError: what is stored is not a record of this DEK.
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed.
        """
        with observe(self._observers, "describe_dek", self._described.backend, dek_id):
            return self._within(
                None, "describe_dek", dek_id, lambda: self._upkeep().describe(dek_id)
            )

    @without_locals
    def delete_dek(self, dek_id: str, *, revision: str | None = None) -> None:
        """Delete a DEK: nothing that it encrypted can be read again.

        Older versions of the record may survive in the store (object versions, soft delete, object
        lock) and in backups; who has one, and the KEK, has the DEK.

        Args:
            dek_id: which. Its record need not be readable.
            revision: what :meth:`describe_dek` returned, so that only what was seen is deleted;
                without it what is there now.

        Raises:
            DekNotFoundError: there is none.
            ConflictError: the record is at another revision; nothing was deleted.
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed.
        """
        with observe(self._observers, "delete_dek", self._described.backend, dek_id):
            upkeep = self._upkeep()
            with self._forgotten(dek_id):
                self._within(None, "delete_dek", dek_id, lambda: upkeep.delete(dek_id, revision))

    @without_locals
    def rewrap_dek(self, dek_id: str, *, verify: Literal["unwrap", "kms"] = "unwrap") -> bool:
        """Wrap a DEK again under the newest version of the KEK, if another one wrapped it.

        The new record is proven before it takes the place of the old one, in one step. The DEK is
        as before, and can be read at every moment.

        Args:
            dek_id: which.
            verify: ``unwrap`` unwraps the DEK, wraps it, and unwraps it again to compare; ``kms``
                has the KMS do it all, where it can, so that the DEK is never in this process.

        Returns:
            Whether the record was replaced; False if the newest version had wrapped it.

        Raises:
            DekNotFoundError: there is none.
            ConflictError: others went on changing the record; see ``retryable``.
            RecordError: what is stored is not a record of this DEK; it is left as it is.
            KekNotFoundError: another KEK wrapped it.
            ConfigError: the KEK derives its DEKs, or cannot do it inside the KMS.
            OperationError: the KMS or the store refused or failed.
        """

        def rewrap() -> tuple[bool, DekInfo, WrappedDek]:
            return self._rewrap(self._upkeep(), dek_id, self._plan(verify=verify))

        with observe(self._observers, "rewrap_dek", self._described.backend, dek_id) as call:
            changed, _, wrapped = self._within(None, "rewrap_dek", dek_id, rewrap)
            call.note_kek(wrapped)
            return changed

    @without_locals
    def describe_deks(
        self,
        prefix: str = "",
        *,
        dek_ids: Iterable[str] | None = None,
        deep: bool = False,
        bulk: Bulk = AS_USUAL,
    ) -> Iterator[Outcome]:
        """Say of each stored DEK what its record says, in any order and in flat memory.

        Args:
            prefix: only of ids that start with this.
            dek_ids: only of these, without a listing.
            deep: also find which version of the KEK wrapped where a record does not say; that is
                one call of the KMS for each DEK.
            bulk: how many at once, and how fast.

        Raises:
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed to list.
        """
        upkeep = self._upkeep()

        def describe(dek_id: str) -> Done:
            return True, upkeep.describe(dek_id, deep=deep), None

        return self._run("describe_dek", self._ids(prefix, dek_ids), describe, bulk)

    @without_locals
    def rewrap_deks(  # noqa: PLR0913 -- each is a choice of its own
        self,
        prefix: str = "",
        *,
        dek_ids: Iterable[str] | None = None,
        only_kek_version: str | None = None,
        older_than: timedelta | None = None,
        dry_run: bool = False,
        verify: Literal["unwrap", "kms"] = "unwrap",
        bulk: Bulk = AS_USUAL,
    ) -> Iterator[Outcome]:
        """Wrap each stored DEK again as :meth:`rewrap_dek` does, in any order and in flat memory.

        The records themselves say what is done, so a run that was interrupted is begun again. One
        that fails stops no other: its outcome has the error.

        Args:
            prefix: only ids that start with this.
            dek_ids: only these, without a listing.
            only_kek_version: only what this version wrapped.
            older_than: only DEKs that were made longer ago.
            dry_run: change nothing, and say what would be done.
            verify: as for :meth:`rewrap_dek`.
            bulk: how many at once, and how fast.

        Raises:
            ConfigError: the KEK derives its DEKs, or cannot do it inside the KMS.
            OperationError: the KMS refused or failed to describe the KEK, or the store to list.
        """
        before = None if older_than is None else datetime.now(UTC) - older_than
        upkeep = self._upkeep()
        plan = self._plan(only_kek_version, before, dry_run=dry_run, verify=verify)

        def rewrap(dek_id: str) -> Done:
            return self._rewrap(upkeep, dek_id, plan)

        return self._run("rewrap_dek", self._ids(prefix, dek_ids), rewrap, bulk)

    @without_locals
    def count_old_records(self, prefix: str = "") -> int | None:
        """Count what the store still keeps of records that were replaced or deleted.

        Such an old record, as object versions and soft delete keep it, needs the version of the KEK
        that wrapped it as long as somebody may want to restore it. A rewrap leaves one behind.

        Args:
            prefix: only of ids that start with this.

        Returns:
            How many there are; None if the storage has no way to tell.

        Raises:
            AccessDeniedError: the credentials may not list them; the message names the permission.
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the store refused or failed.
        """
        with observe(self._observers, "count_old_records", self._described.backend, None):
            return self._upkeep().count_old(prefix)

    def _rewrap(
        self, upkeep: Upkeep, dek_id: str, plan: Rewrap
    ) -> tuple[bool, DekInfo, WrappedDek]:
        with self._forgotten(dek_id):
            return upkeep.rewrap(dek_id, plan)

    def _plan(
        self,
        only_kek_version: str | None = None,
        created_before: datetime | None = None,
        *,
        dry_run: bool = False,
        verify: Literal["unwrap", "kms"],
    ) -> Rewrap:
        from kms_core._deks.upkeep import Rewrap

        self._upkeep()  # refuses where nothing is stored, before anybody is asked
        newest = self._described.describe_kek()
        if verify == "kms" and only_kek_version and newest.key_material:
            raise ConfigError(
                "which version wrapped shows when the KMS unwraps; choose by it with verify=unwrap"
            )
        return Rewrap(newest, only_kek_version, created_before, dry_run, verify)

    def _run(
        self,
        operation: str,
        items: Iterable[T],
        call: Callable[[T], Done],
        bulk: Bulk,
        name: Callable[[T], str] = str,
    ) -> Iterator[Outcome]:
        def observed(item: T) -> tuple[bool, DekInfo | None]:
            with observe(self._observers, operation, self._described.backend, name(item)) as told:
                changed, dek, wrapped = call(item)
                told.note_kek(wrapped)
                return changed, dek

        return IteratorWithoutLocals(run_bulk(items, observed, bulk, name))

    def _ids(self, prefix: str, dek_ids: Iterable[str] | None) -> Iterable[str]:
        if dek_ids is None:
            return self._deks.list_dek_ids(prefix)
        return (dek_id for dek_id in dek_ids if dek_id.startswith(prefix))

    @contextmanager
    def _forgotten(self, dek_id: str) -> Iterator[None]:
        """A block that may change the record."""
        try:
            yield
        finally:
            self._forget(dek_id)

    def _forget(self, dek_id: str) -> None:
        """Give nobody who asks from now on what was read before."""
        self._era = object()
        self._deks.forget(dek_id)
        if self._cache is not None:
            self._cache.forget(dek_id)

    def _within(
        self, end: float | None, operation: str, dek_id: str | None, call: Callable[[], T]
    ) -> T:
        """Make the call until ``end``, or within the time that this Kms gives to each."""
        try:
            return self._limit.run(self._limit.end() if end is None else end, call)
        except UnavailableError as error:
            error.locate(backend=self._described.backend, operation=operation, dek_id=dek_id)
            raise

    def _upkeep(self) -> Upkeep:
        from kms_core._deks.upkeep import Upkeep

        return Upkeep(self._records())

    def _records(self) -> Records:
        from kms_core._deks.stored import StoredDeks

        if not isinstance(self._deks, StoredDeks):
            raise ConfigError(f"{self._described.backend} derives its DEKs, so none is stored")
        return self._deks.records


def run_bulk(
    items: Iterable[T],
    call: Callable[[T], tuple[bool, DekInfo | None]],
    bulk: Bulk,
    name: Callable[[T], str] = str,
) -> Iterator[Outcome]:
    """Yield what becomes of each item, which has the dek_id that ``name`` returns."""
    from kms_core._deks.bulk import attempt, bulk_threads, in_threads, run_each
    from kms_core._deks.pace import Pace

    pace = Pace(bulk.rate)

    def one(item: T) -> Outcome:
        def outcome() -> Outcome:
            changed, dek = call(item)
            return Outcome(name(item), "done" if changed else "unchanged", dek)

        return attempt(name(item), outcome, pace)

    with bulk_threads(bulk) as executor:
        yield from run_each(items, in_threads(executor, one), 2 * bulk.concurrency)
