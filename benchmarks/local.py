"""Façades without a cloud: what is left is kms-core's own work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import kms_core
from kms_core import KekInfo
from kms_core._deks.stored import StoredDeks
from kms_core._events import Observer
from kms_core._plugins.clients import Keyset, bind
from kms_core.backend import BackendConfig, Context, KekSpec, WrappedDek, hookimpl
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.memory import MemoryStorage


class NoopKek(KekSpec):
    """Wraps nothing, so that what is left is the façade."""

    class Config(BackendConfig):
        """Takes no parameters."""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:  # noqa: ARG002 -- wraps nothing
        return WrappedDek(dek, "noop", "1", "none")

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:  # noqa: ARG002 -- likewise
        return wrapped.ciphertext

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("noop", "1", "none")

    @hookimpl
    def close(self) -> None:
        return None


def open_noop(*observers: Observer) -> kms_core.Kms:
    """A façade with nothing behind it."""
    kek: Any = bind("kms://noop", NoopKek(), "benchmarks", observers)
    memory = MemoryStorage(MemoryStorage.Config())
    storage: Any = bind("storage://memory", memory, "benchmarks", observers)
    return kms_core.Kms(StoredDeks(Keyset([kek]), storage), ExitStack(), observers)


def make_key_file(path: Path) -> Path:
    """A new KEK in a file."""
    path.touch(mode=0o600)
    path.write_text(new_key_file())
    return path


def numbered(what: str) -> Iterator[str]:
    """Ids that nobody has."""
    number = 0
    while True:
        yield f"{what}-{number}"
        number += 1
