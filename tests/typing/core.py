"""Core calls backends through typed clients. Each ignore is an error that mypy has to report."""

from __future__ import annotations

from typing import assert_type

from kms_core._plugins.clients import DeriverClient, KekClient, StorageClient
from kms_core.backend import Context, StoredRecord, WrappedDek


def right(kek: KekClient, store: StorageClient, context: Context) -> None:
    assert_type(kek.wrap_dek(dek=b"", context=context), WrappedDek)
    assert_type(kek.unwrap_dek(kek.wrap_dek(b"", context), context), bytes)
    assert_type(store.load_record("a"), StoredRecord)
    assert_type(store.create_record("a", b""), str)


def wrong(kek: KekClient, deriver: DeriverClient, store: StorageClient, context: Context) -> None:
    kek.wrap_deck(b"", context)  # type: ignore[attr-defined]
    kek.wrap_dek(b"", contxt=context)  # type: ignore[call-arg]
    kek.wrap_dek(b"")  # type: ignore[call-arg]
    kek.wrap_dek("text", context)  # type: ignore[arg-type]
    deriver.derive_dek("a", size="32")  # type: ignore[arg-type]
    store.create_record("a", data=b"", revision="1")  # type: ignore[call-arg]
    store.wrap_dek(b"", context)  # type: ignore[attr-defined]
