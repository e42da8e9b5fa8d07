"""The cache against a model, in whatever order things happen."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import kms_core
from kms_core._config.cache import CacheSettings
from kms_core._deks.cache import DekCache
from kms_core._deks.got import Got

TTL, STALE, ENTRIES, USES = 10.0, 5.0, 2, 4
IDS = st.sampled_from("abc")


class Deks:
    """Where the cache reads: a dict, and what it answers in place of a DEK."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.error: kms_core.KmsError | None = None
        self.calls = 0

    def get_dek(self, dek_id: str, size: int | None, *, create: bool) -> Got:
        self.calls += 1
        if self.error is not None:
            raise self.error
        if dek_id not in self.stored:
            if not create:
                raise kms_core.DekNotFoundError
            self.stored[dek_id] = self.calls.to_bytes(32, "big")
        return Got(self.stored[dek_id], made=False, wrapped_by=None)


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.deks, self.now = Deks(), 0.0
        given = CacheSettings(TTL, USES, ENTRIES, STALE)
        self.cache = DekCache(self.deks, given, lambda: self.now, lambda *_: lambda: None)
        self.read: dict[str, tuple[bytes, float, int]] = {}
        """dek_id → what was read last, when, and how often it was given out since."""

    @rule(dek_id=IDS, create=st.booleans())
    def get(self, dek_id: str, *, create: bool) -> None:
        self.now += 0.001  # so that one is used after another
        calls, before = self.deks.calls, self.deks.stored.get(dek_id)
        try:
            got = self.cache.get(dek_id, None, create=create, within=lambda call: call()).dek
        except kms_core.KmsError as error:
            refusal = error
            self.forget_if_refused(dek_id)
        else:
            self.check(dek_id, got, read=self.deks.calls > calls and self.deks.error is None)
            return
        assert refusal is self.deks.error or (before is None and not create)

    def check(self, dek_id: str, got: bytes, *, read: bool) -> None:
        if read:
            assert got == self.deks.stored[dek_id]
            self.read[dek_id] = (got, self.now, 1)
            return
        kept, when, uses = self.read[dek_id]
        assert got == kept
        assert uses < USES
        assert self.now < when + TTL + (STALE if self.deks.error else 0) + STALE * self.stale_known
        self.read[dek_id] = (kept, when, uses + 1)

    stale_known = False
    """Whether an outage may have been met, after which it takes a refresh to see its end."""

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.5, 9.97, 16.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def look_after(self) -> None:
        for dek_id in self.cache.sweep():
            self.cache.refresh(dek_id)
            if self.deks.error is None and dek_id in self.deks.stored:
                self.read[dek_id] = (self.deks.stored[dek_id], self.now, 1)
            else:
                self.forget_if_refused(dek_id)

    @rule(dek_id=IDS)
    def forget(self, dek_id: str) -> None:
        self.cache.forget(dek_id)
        self.read.pop(dek_id, None)

    @rule(dek_id=IDS)
    def delete_elsewhere(self, dek_id: str) -> None:
        self.deks.stored.pop(dek_id, None)

    @rule(
        error=st.sampled_from(
            [None, kms_core.UnavailableError("no"), kms_core.KekDisabledError("no")]
        )
    )
    def turn(self, error: kms_core.KmsError | None) -> None:
        self.deks.error = error
        if isinstance(error, kms_core.UnavailableError):
            self.stale_known = True

    def forget_if_refused(self, dek_id: str) -> None:
        """What was refused, or is gone, is never given out again."""
        if not isinstance(self.deks.error, kms_core.UnavailableError):
            self.read.pop(dek_id, None)

    @invariant()
    def it_is_bounded_and_nothing_is_zero(self) -> None:
        entries = self.cache._entries
        assert len(entries) <= ENTRIES
        assert all(any(entry.dek) for entry in entries.values())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
