"""The part of the façade that moves stored DEKs: to another KEK or store, into a file and back."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, BinaryIO

from kms_core._lifecycle import AS_USUAL, Done, Lifecycle
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import Bulk, Outcome
from kms_core.errors import ConfigError, DekNotFoundError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._deks.archive import ArchiveWriter
    from kms_core._deks.arrivals import Arrivals
    from kms_core._deks.record import Record
    from kms_core._deks.records import Records
    from kms_core._plugins.clients import Keyset
    from kms_core.kek import Kek
    from kms_core.kms import Kms


class Moves(Lifecycle):
    """What comes and goes. The source is only read, and at the destination nothing is replaced.

    What has arrived is read back before it counts as done. A run that was interrupted is begun
    again: what is there already is compared, and is ``unchanged`` if it is the same DEK.
    ``createDeks=false`` does not forbid it, because no DEK is made. One pace serves both places:
    each DEK is read at one and compared or stored at the other, so the slower says how fast.
    """

    @without_locals
    def migrate_deks(
        self, to: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> Iterator[Outcome]:
        """Wrap each stored DEK under the KEK of another Kms, and keep it in the store of that.

        Id, size and time of each DEK stay. Its new record is proven before it is stored, and then
        read back, unwrapped and compared.

        Args:
            to: where they go.
            prefix: only ids that start with this.
            dry_run: unwrap and compare, but store nothing.
            bulk: how many at once, and how fast.

        Raises:
            ConfigError: a KEK derives its DEKs, so none is stored.
            OperationError: the KMS there refused or failed to describe the KEK, or the store here
                to list.
        """
        source, arrivals = self._records(), _arrivals(to, dry_run=dry_run)

        def migrate(dek_id: str) -> Done:
            record, dek = source.load(dek_id)
            changed, kek = arrivals.take_dek(dek_id, source.open(record), record.created)
            return changed, dek, kek

        return self._run("migrate_dek", self._deks.list_dek_ids(prefix), migrate, bulk)

    @without_locals
    def copy_deks(
        self, to: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> Iterator[Outcome]:
        """Copy each record, byte for byte, into the store of another Kms of the same KEK.

        The KMS is asked only where two records of one id differ, whether their DEK is the same.

        Args:
            to: opened with the same KEK.
            prefix: as for :meth:`migrate_deks`.
            dry_run: compare, but store nothing.
            bulk: as for :meth:`migrate_deks`.

        Raises:
            ConfigError: a KEK derives its DEKs, or the other is of another provider.
            OperationError: the store here refused or failed to list.
        """
        from kms_core._deks.arrivals import Arrivals

        source, there = self._records(), _records(to)
        if source.kek.backend != there.kek.backend:
            raise ConfigError("a copy stays under its KEK; migrate to bring it under another one")
        arrivals = Arrivals(there, dry_run=dry_run)

        def copy(dek_id: str) -> Done:
            record, dek = source.load(dek_id)
            changed, kek = arrivals.take_record(record)
            return changed, dek, kek

        return self._run("copy_dek", self._deks.list_dek_ids(prefix), copy, bulk)

    @without_locals
    def export_deks(
        self, file: BinaryIO, prefix: str = "", *, to: Kek | None = None, bulk: Bulk = AS_USUAL
    ) -> Iterator[Outcome]:
        """Write the records into an archive, of which only the header can be read without the KEK.

        The archive is whole when the iterator has ended. One that ends before its time is refused.

        Args:
            file: gets the archive; opened for writing bytes.
            prefix: as for :meth:`migrate_deks`.
            to: wraps the archive's key and, again, each DEK; without it the archive needs the KEK
                of this Kms, and its records stay as they are stored.
            bulk: as for :meth:`migrate_deks`.

        Raises:
            ConfigError: the KEK derives its DEKs, so none is stored.
            OperationError: the KMS refused or failed to wrap, or the store to list.
        """
        from kms_core._deks.archive import ArchiveWriter
        from kms_core._deks.records import Records

        source = self._records()
        other = None if to is None else Records(_keks(to), source.storage)
        newest = None if other is None else other.kek.describe_kek()
        writer = ArchiveWriter(file, (other or source).keks)

        def export(dek_id: str) -> Done:
            record, dek = source.load(dek_id)
            if other is None:
                writer.add(record.encode())
                return True, dek, record.kek
            data = other.make(dek_id, source.open(record), record.created, newest)
            writer.add(data)
            return True, dek, other.read(dek_id, data).kek

        outcomes = self._run("export_dek", self._deks.list_dek_ids(prefix), export, bulk)
        return IteratorWithoutLocals(_finish(outcomes, writer))

    @without_locals
    def import_deks(  # noqa: PLR0913 -- each is a choice of its own
        self,
        file: BinaryIO,
        prefix: str = "",
        *,
        dek_ids: Collection[str] | None = None,
        source: Kek | None = None,
        dry_run: bool = False,
        bulk: Bulk = AS_USUAL,
    ) -> Iterator[Outcome]:
        """Store what is in an archive. All of it is checked before the first record is stored.

        Args:
            file: the archive; opened for reading bytes, and able to seek.
            prefix: only ids that start with this.
            dek_ids: only these; one that the archive does not have is an outcome with an error.
            source: the KEK of the archive, if it is not that of this Kms: then each DEK is wrapped
                again, and otherwise its record is stored as it is.
            dry_run: check and compare, but store nothing.
            bulk: as for :meth:`migrate_deks`.

        Raises:
            ArchiveError: it is no archive, or was altered, cut or extended; nothing was stored.
            KekNotFoundError: another KEK made the archive.
            ConfigError: the KEK derives its DEKs, so none is stored; or the file cannot seek.
            OperationError: the KMS refused or failed to unwrap.
        """
        from kms_core._deks.archive import ArchiveReader
        from kms_core._deks.arrivals import Arrivals
        from kms_core._deks.records import Records

        here = self._records()
        there = here if source is None else Records(_keks(source), here.storage)
        archive = ArchiveReader(file, there.keks)
        missing = set(dek_ids or ()).difference(record.dek_id for record in archive.records())
        newest = None if source is None else here.kek.describe_kek()
        arrivals = Arrivals(here, newest, dry_run=dry_run)

        def restore(record: Record) -> Done:
            dek = there.describe(record)
            if source is None:
                changed, kek = arrivals.take_record(record)
            else:
                changed, kek = arrivals.take_dek(dek.dek_id, there.open(record), record.created)
            return changed, dek, kek

        wanted = (
            record
            for record in archive.records()
            if record.dek_id.startswith(prefix) and (dek_ids is None or record.dek_id in dek_ids)
        )
        outcomes = self._run("import_dek", wanted, restore, bulk, attrgetter("dek_id"))
        return IteratorWithoutLocals(chain(map(_not_there, sorted(missing)), outcomes))

    @without_locals
    def import_constellation(
        self, source: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> Iterator[Outcome]:
        """Store the DEKs that Constellation's library stored, under their ids.

        The time of each is that of its import. What is none of its records is an outcome with an
        error, and stays; records of kms-core in the same bucket are ``unchanged``.

        Args:
            source: opened on the KEK and the bucket or container of Constellation.
            prefix: only names that start with this.
            dry_run: as for :meth:`migrate_deks`.
            bulk: as for :meth:`migrate_deks`.

        Raises:
            ConfigError: a KEK derives its DEKs, or the storage has no objects of other programs.
            OperationError: the KMS here refused or failed to describe its KEK, or the store there
                to list.
        """
        from kms_core._deks.constellation import Constellation
        from kms_core._deks.records import now

        there, arrivals, created = _records(source), _arrivals(self, dry_run=dry_run), now()
        kept = Constellation(there.kek, there.storage)

        def take(name: str) -> Done:
            dek = kept.get_dek(name)
            if dek is None:
                return False, None, None
            changed, kek = arrivals.take_dek(name, dek, created)
            return changed, None, kek

        return self._run("import_dek", there.storage.list_objects(prefix), take, bulk)


def _records(kms: Moves) -> Records:
    return kms._records()  # noqa: SLF001 -- of another façade


def _keks(kek: Kek) -> Keyset:
    return kek._keks  # noqa: SLF001 -- likewise


def _arrivals(kms: Moves, *, dry_run: bool) -> Arrivals:
    """What wraps under the newest version of the KEK, which is asked for once."""
    from kms_core._deks.arrivals import Arrivals

    records = _records(kms)
    return Arrivals(records, records.kek.describe_kek(), dry_run=dry_run)


def _finish(outcomes: Iterator[Outcome], writer: ArchiveWriter) -> Iterator[Outcome]:
    yield from outcomes
    writer.finish()


def _not_there(dek_id: str) -> Outcome:
    error = DekNotFoundError("the archive has no DEK of this dek_id")
    return Outcome(dek_id, "failed", error=error)
