"""The part of the façade that lists, looks after and moves stored DEKs, for tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal

import kms_core.kms
from kms_core._lifecycle import AS_USUAL
from kms_core._values import Bulk, DekInfo, Outcome
from kms_core.aio._facade import Facade
from kms_core.aio._threads import without_locals

if TYPE_CHECKING:
    from kms_core.aio._kek import Kek
    from kms_core.aio._kms import Kms

_PAGE = 1000
"""Ids of a listing that are brought at once: what a page of most stores has."""


class Moves(Facade[kms_core.kms.Kms]):
    """What :class:`kms_core.Kms` does with stored DEKs."""

    def list_dek_ids(self, prefix: str = "") -> AsyncGenerator[str]:
        """As :meth:`kms_core.Kms.list_dek_ids`; what it raises comes with the first step."""
        return self._threads.each(partial(self.sync.list_dek_ids, prefix), _PAGE)

    @without_locals
    async def describe_dek(self, dek_id: str) -> DekInfo:
        """As :meth:`kms_core.Kms.describe_dek`."""
        return await self._threads.run(self.sync.describe_dek, dek_id)

    @without_locals
    async def delete_dek(self, dek_id: str, *, revision: str | None = None) -> None:
        """As :meth:`kms_core.Kms.delete_dek`."""
        await self._threads.run(self.sync.delete_dek, dek_id, revision=revision)

    @without_locals
    async def rewrap_dek(self, dek_id: str, *, verify: Literal["unwrap", "kms"] = "unwrap") -> bool:
        """As :meth:`kms_core.Kms.rewrap_dek`."""
        return await self._threads.run(self.sync.rewrap_dek, dek_id, verify=verify)

    @without_locals
    async def count_old_records(self, prefix: str = "") -> int | None:
        """As :meth:`kms_core.Kms.count_old_records`."""
        return await self._threads.run(self.sync.count_old_records, prefix)

    def describe_deks(
        self,
        prefix: str = "",
        *,
        dek_ids: Iterable[str] | None = None,
        deep: bool = False,
        bulk: Bulk = AS_USUAL,
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.describe_deks`; what it raises comes with the first step."""
        describe = self.sync.describe_deks
        return self._threads.each(partial(describe, prefix, dek_ids=dek_ids, deep=deep, bulk=bulk))

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
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.rewrap_deks`; what it raises comes with the first step."""
        begin = partial(
            self.sync.rewrap_deks,
            prefix,
            dek_ids=dek_ids,
            only_kek_version=only_kek_version,
            older_than=older_than,
            dry_run=dry_run,
            verify=verify,
            bulk=bulk,
        )
        return self._threads.each(begin)

    def migrate_deks(
        self, to: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.migrate_deks`; what it raises comes with the first step."""
        migrate = self.sync.migrate_deks
        return self._threads.each(partial(migrate, to.sync, prefix, dry_run=dry_run, bulk=bulk))

    def copy_deks(
        self, to: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.copy_deks`; what it raises comes with the first step."""
        copy = self.sync.copy_deks
        return self._threads.each(partial(copy, to.sync, prefix, dry_run=dry_run, bulk=bulk))

    def export_deks(
        self, file: BinaryIO, prefix: str = "", *, to: Kek | None = None, bulk: Bulk = AS_USUAL
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.export_deks`; what it raises comes with the first step."""
        export, kek = self.sync.export_deks, None if to is None else to.sync
        return self._threads.each(partial(export, file, prefix, to=kek, bulk=bulk))

    def import_deks(  # noqa: PLR0913 -- each is a choice of its own
        self,
        file: BinaryIO,
        prefix: str = "",
        *,
        dek_ids: Collection[str] | None = None,
        source: Kek | None = None,
        dry_run: bool = False,
        bulk: Bulk = AS_USUAL,
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.import_deks`; what it raises comes with the first step."""
        begin = partial(
            self.sync.import_deks,
            file,
            prefix,
            dek_ids=dek_ids,
            source=None if source is None else source.sync,
            dry_run=dry_run,
            bulk=bulk,
        )
        return self._threads.each(begin)

    def import_constellation(
        self, source: Kms, prefix: str = "", *, dry_run: bool = False, bulk: Bulk = AS_USUAL
    ) -> AsyncGenerator[Outcome]:
        """As :meth:`kms_core.Kms.import_constellation`; what it raises comes likewise."""
        take = self.sync.import_constellation
        return self._threads.each(partial(take, source.sync, prefix, dry_run=dry_run, bulk=bulk))
