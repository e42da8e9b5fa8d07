"""What the public API promises to a type checker. mypy checks this file; nothing runs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import assert_type

import kms_core
from kms_core import KekInfo, Kms, Outcome, StorageInfo, aio, open_kms
from kms_core.backend import BackendConfig, Context, KekSpec, StoredRecord, WrappedDek, hookimpl


def a_user() -> None:
    with open_kms(kek="kms://local?keyFile=kek.toml", storage={"backend": "file"}) as kms:
        assert_type(kms, Kms)
        assert_type(kms.get_dek("volume-42", create=True), bytes)
        assert_type(kms.get_dek("volume-42", size=64, create=False), bytes)
        assert_type(kms.get_dek("volume-42", timeout=2.5), bytes)
        assert_type(kms.get_deks(["volume-42"], size=32, timeout=2), Iterator[Outcome])
        with kms.borrow_dek("volume-42", size=32) as buffer:
            assert_type(buffer, bytearray)
        assert_type(kms.list_dek_ids("volume-"), Iterator[str])
        assert_type(kms.describe_kek(), KekInfo)
        assert_type(kms.describe_storage(), StorageInfo)
    assert_type(kms_core.caller.get(), str | None)


async def a_task(to: aio.Kms) -> None:
    async with aio.open_kms(kek="kms://local", storage="storage://memory", max_threads=4) as kms:
        assert_type(kms, aio.Kms)
        assert_type(await kms.get_dek("volume-42", size=64, create=True), bytes)
        assert_type(kms.list_dek_ids("volume-"), AsyncGenerator[str, None])
        assert_type([o async for o in kms.migrate_deks(to)], list[Outcome])
        assert_type(await kms.describe_kek(), KekInfo)
        assert_type(kms.sync, Kms)
    async with aio.open_kek("kms://local") as kek:
        assert_type(await kek.wrap(b"a key", {"for": "a disk"}), bytes)


async def a_careless_task(kms: aio.Kms, to: Kms) -> None:
    await kms.get_dek("volume-42", 32)  # type: ignore[call-arg]
    await kms.get_dek(42)  # type: ignore[arg-type]
    kms.migrate_deks(to)  # type: ignore[arg-type]


def a_careful_user(error: kms_core.OperationError) -> None:
    assert_type(error.retryable, bool)
    assert_type(error.backend, str | None)
    assert_type(error.operation, str | None)
    assert_type(error.dek_id, str | None)


def a_careless_user(kms: Kms) -> None:
    kms.get_dek(42, create=True)  # type: ignore[arg-type]
    kms.get_dek("volume-42", 32, create=True)  # type: ignore[call-arg]
    kms.get_dek("volume-42", size="32", create=True)  # type: ignore[arg-type]
    open_kms("kms://local", cache=300)  # type: ignore[arg-type]
    kms.get_dek("volume-42", timeout="2")  # type: ignore[arg-type]
    open_kms("kms://local", observers="log", config=3)  # type: ignore[arg-type]
    KekInfo("id", "1", "AES").kek_id = "another"  # type: ignore[misc]


class AnAuthorsKek(KekSpec):
    class Config(BackendConfig):
        region: str = "here"

    def __init__(self, config: Config) -> None:
        assert_type(config.region, str)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return WrappedDek(dek, "id", "1", context["dek_id"])

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        assert_type(context["dek_id"], str)
        return wrapped.ciphertext

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("id", "1", "none")

    @hookimpl
    def close(self) -> None:
        pass


def hookimpl_keeps_the_type(kek: AnAuthorsKek, wrapped: WrappedDek, stored: StoredRecord) -> None:
    """A decorator of type Any would let every wrong override pass."""
    assert_type(kek.unwrap_dek(wrapped, {"dek_id": "volume-42"}), bytes)
    assert_type(stored.revision, str)
