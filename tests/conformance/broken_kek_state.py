"""KEKs with one defect each, about what they keep or change between and in calls."""

from __future__ import annotations

import time

from kms_core import KekInfo
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


class DescribesWhatItSawFirst(SmallKek):
    breaks = ("test_rotation",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        self.first = getattr(self, "first", None) or super().describe_kek()
        return self.first
