"""KEKs with one defect each, about what they keep or change between and in calls."""

from __future__ import annotations

import time
from typing import ClassVar

from kms_core import KekInfo, UnwrapError
from kms_core.backend import Context, WrappedDek, hookimpl
from tests.conformance.small_kms import SmallKek


class UnwrapsThroughItsState(SmallKek):
    breaks = ("test_threads",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        self.wrapped = wrapped
        time.sleep(0.05)
        return super().unwrap_dek(self.wrapped, context)


class TakesFromTheContext(SmallKek):
    breaks = ("test_context_stays",)

    def aad(self, context: Context) -> bytes:
        encoded = super().aad(context)
        context.pop("size", None)  # type: ignore[attr-defined] # the defect
        return encoded


DEKS: dict[bytes, bytes] = {}


class KeepsDeksInItsModule(SmallKek):
    breaks = ("test_no_dek_is_kept",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        DEKS[wrapped.ciphertext] = super().unwrap_dek(wrapped, context)
        return bytes(bytearray(DEKS[wrapped.ciphertext]))


class KeepsDeksInItsClass(SmallKek):
    breaks = ("test_no_dek_is_kept",)
    deks: ClassVar[list[bytes]] = []

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        self.deks.append(super().unwrap_dek(wrapped, context))
        return bytes(bytearray(self.deks[-1]))


class TellsAVersionThatIsGoneAsAltered(SmallKek):
    breaks = ("test_version_that_is_gone",)

    def refuse_destroyed(self, wrapped: WrappedDek) -> None:
        if wrapped.kek_version in self.service.destroyed:
            raise UnwrapError


class DescribesWhatItSawFirst(SmallKek):
    breaks = ("test_rotation",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        self.first = getattr(self, "first", None) or super().describe_kek()
        return self.first
