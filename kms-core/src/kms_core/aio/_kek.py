"""The façade of a KEK alone, for tasks."""

from __future__ import annotations

from collections.abc import Mapping

import kms_core.kek
from kms_core._values import KekInfo
from kms_core.aio._facade import Facade
from kms_core.aio._threads import without_locals


class Kek(Facade[kms_core.kek.Kek]):
    """An opened KEK, for the tasks of an event loop. Get one from :func:`kms_core.aio.open_kek`."""

    @without_locals
    async def wrap(self, data: bytes, context: Mapping[str, str]) -> bytes:
        """As :meth:`kms_core.Kek.wrap`."""
        return await self._threads.run(self.sync.wrap, data, context)

    @without_locals
    async def unwrap(self, blob: bytes, context: Mapping[str, str]) -> bytes:
        """As :meth:`kms_core.Kek.unwrap`."""
        return await self._threads.run(self.sync.unwrap, blob, context)

    @without_locals
    async def rotate(self) -> KekInfo:
        """As :meth:`kms_core.Kek.rotate`."""
        return await self._threads.run(self.sync.rotate)

    @without_locals
    async def rotation_command(self) -> str | None:
        """As :meth:`kms_core.Kek.rotation_command`."""
        return await self._threads.run(self.sync.rotation_command)
