# mypy: disable-error-code="empty-body"
"""Backends that break their hookspec. Each ignore is an error that mypy has to report: --strict
refuses an ignore that nothing needs, and test_refusals.py takes them all away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kms_core import KekInfo
from kms_core.backend import (
    Context,
    DeriverSpec,
    Event,
    KekSpec,
    ObserverSpec,
    StorageSpec,
    StoredRecord,
    WrappedDek,
    hookimpl,
)


class DropsTheContext(KekSpec):
    @hookimpl
    def wrap_dek(self, dek: bytes) -> WrappedDek: ...  # type: ignore[override]

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek) -> bytes: ...  # type: ignore[override]


class WantsMore(KekSpec):
    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context, region: str) -> WrappedDek: ...  # type: ignore[override]


class ReturnsSomethingElse(KekSpec):
    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> bytes: ...  # type: ignore[override]

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> str: ...  # type: ignore[override]

    @hookimpl
    def describe_kek(self) -> None: ...  # type: ignore[override]


class MayReturnNone(KekSpec):
    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes | None: ...  # type: ignore[override]


class TakesSomethingElse(KekSpec):
    @hookimpl
    def wrap_dek(self, dek: str, context: Context) -> WrappedDek: ...  # type: ignore[override]

    @hookimpl
    def unwrap_dek(self, wrapped: bytes, context: Context) -> bytes: ...  # type: ignore[override]


class BindsBytes(KekSpec):
    @hookimpl
    def wrap_dek(self, dek: bytes, context: Mapping[str, bytes]) -> WrappedDek: ...  # type: ignore[override]


class IsAsynchronous(KekSpec):
    @hookimpl
    async def describe_kek(self) -> KekInfo: ...  # type: ignore[override]


class DerivesOneSize(DeriverSpec):
    @hookimpl
    def derive_dek(self, dek_id: str) -> bytes: ...  # type: ignore[override]


class OverwritesBlindly(StorageSpec):
    @hookimpl
    def load_record(self, dek_id: str) -> bytes: ...  # type: ignore[override]

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> None: ...  # type: ignore[override]

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes) -> str: ...  # type: ignore[override]

    @hookimpl
    def delete_record(self, dek_id: str, revision: int) -> None: ...  # type: ignore[override]

    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[StoredRecord]: ...  # type: ignore[override]


class HearsHalf(ObserverSpec):
    @hookimpl
    def observe(self, event: Event, outcome: str) -> None: ...  # type: ignore[override]


class ForgetsHooks(KekSpec):
    @hookimpl
    def close(self) -> None: ...


ForgetsHooks()  # type: ignore[abstract]
