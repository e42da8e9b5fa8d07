"""A KEK and a store of this machine whose calls take as long as a cloud's."""

from __future__ import annotations

import time

from kms_core.backend import Context, StoredRecord, WrappedDek, hookimpl
from kms_core.builtin.file.storage import FileStorage
from kms_core.builtin.local.kek import LocalKek

LATENCY = 0.02
"""Seconds of each call."""


class SlowKek(LocalKek):
    """Takes its time."""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        time.sleep(LATENCY)
        return LocalKek.wrap_dek(self, dek, context)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        time.sleep(LATENCY)
        return LocalKek.unwrap_dek(self, wrapped, context)


class SlowStorage(FileStorage):
    """Takes its time to load and to replace, and makes records at once."""

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        time.sleep(LATENCY)
        return FileStorage.load_record(self, dek_id)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        time.sleep(LATENCY)
        return FileStorage.replace_record(self, dek_id, data, revision)
