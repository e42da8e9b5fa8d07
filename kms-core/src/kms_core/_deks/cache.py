"""Keeps DEKs that were read for a time, so that the next read makes no call."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from heapq import nsmallest
from itertools import count
from math import inf
from typing import NoReturn, Protocol, TypeVar

from kms_core._config.cache import CacheSettings
from kms_core._deks.got import Got
from kms_core._deks.keeper import AT_ONCE, start_keeper
from kms_core._deks.record import WrappedBy
from kms_core._deks.single_flight import SingleFlight
from kms_core._values import check_dek_id
from kms_core.errors import (
    DekNotFoundError,
    DekSizeError,
    KmsError,
    ThrottledError,
    UnavailableError,
)

T = TypeVar("T")

OUTAGE = (UnavailableError, ThrottledError)
"""What says that a DEK cannot be read now, and nothing of whether it may be."""

_LEAD, _LEAST_LEAD, _MOST_LEAD = 0.005, 0.25, 0.05
"""The part of its ttl before whose end a DEK is read again; or so many seconds, for on a busy
machine a thread begins late, but no more than this part of a short ttl."""

_TIMES, _MOST_TIMES = 4, 1 / 3
"""How much longer than it took to read that begins, and the part of its ttl that it may be."""

_PAUSE, _MOST_PAUSE = 0.025, 2.5
"""The part of its ttl, and the most seconds, after which what cannot be read is tried again."""


class Deks(Protocol):
    """Where DEKs are read."""

    def get_dek(self, dek_id: str, size: int | None, *, create: bool) -> Got:
        """Return the DEK."""


class Within(Protocol):
    """Makes a call in the time that its caller has."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return what it returns."""


class _Entry:
    """A DEK in memory. Once ``until`` is over, nobody gets it."""

    __slots__ = ("dek", "kept", "last", "refresh", "took", "until", "used", "uses", "wrapped_by")

    def __init__(self, got: Got, began: float, took: float, settings: CacheSettings) -> None:
        self.dek = bytearray(got.dek)
        self.wrapped_by = got.wrapped_by
        self.until = began + settings.ttl
        self.kept = self.until + settings.stale_on_outage
        self.took = took
        # Not all at the same time, although all may have been read at the same time.
        self.refresh = self.until - random.uniform(0.5, 1) * _lead(settings)  # noqa: S311 -- no secret
        self.last = began
        self.used = False
        self.uses = count(2)  # whoever had it read was the first

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a DEK in the cache cannot be pickled")

    def wipe(self) -> None:
        self.until = -inf  # first, for the sake of who is copying
        self.dek[:] = bytes(len(self.dek))


class DekCache:
    """DEKs that were read a moment ago, each for as long as the settings say.

    A hit takes no lock. It copies the DEK first, and then looks whether it was still good: who
    wipes an entry ends it before.

    Args:
        deks: where they are read.
        settings: how long, how often and how many.
        clock: seconds that never go back.
        keeper: begins to call :meth:`sweep` and :meth:`refresh`, and returns what ends that.
    """

    def __init__(
        self,
        deks: Deks,
        settings: CacheSettings,
        clock: Callable[[], float] = time.monotonic,
        keeper: Callable[[DekCache, float], Callable[[], None]] = start_keeper,
    ) -> None:
        self._deks, self._settings = deks, settings
        self._max_uses = settings.max_uses
        self._clock, self._start_keeper = clock, keeper
        self._lead = _lead(settings)
        self._flights: SingleFlight[Got] = SingleFlight()
        self._entries: dict[str, _Entry] = {}
        self._closed = False
        self._begin()
        _caches.add(self)

    def find(self, dek_id: str, size: int | None) -> bytes | None:
        """Return the DEK if it is here, has the size and is still good."""
        try:
            entry = self._entries[dek_id]
        except (KeyError, TypeError):  # a dek_id that is none is told by who reads
            return None
        dek = bytes(entry.dek)
        now = self._clock()
        if now >= entry.until or (size is not None and size != len(dek)):
            return None
        if self._max_uses is not None and next(entry.uses) > self._max_uses:
            return None
        entry.last, entry.used = now, True
        return dek

    def wrapped_by(self, dek_id: str) -> WrappedBy | None:
        """What names the KEK that wraps a DEK that is here."""
        entry = self._entries.get(dek_id)
        return None if entry is None else entry.wrapped_by

    def get(self, dek_id: str, size: int | None, *, create: bool, within: Within) -> Got:
        """Return the DEK, out of the cache or read.

        Concurrent callers share one call, whatever size they ask for, of a DEK that was here. What
        cannot be read now is given out for as long as the settings let it outlive its ttl.
        """
        check_dek_id(dek_id)
        while True:
            got = self._found(dek_id, size)
            if got is not None:
                return got
            how = (None, False) if self._had(dek_id, size) else (size, create)
            read = partial(self._read, dek_id, *how)
            try:
                got, led = within(partial(self._flights.run, (dek_id, *how), read))
            except OUTAGE:
                self._outlive(dek_id)
                got = self._found(dek_id, size)
                if got is None:
                    raise
                return got
            except DekNotFoundError:
                if how == (size, create):
                    raise
                continue
            if size in {None, len(got.dek)} and (led or self._max_uses is None):
                return got if led else got.by_another_call()

    def forget(self, dek_id: str) -> None:
        """Wipe the DEK; keep none that is being read now, and give it to no later caller."""
        self._flights.forget(dek_id)
        with self._lock:
            self._reading.pop(dek_id, None)
            self._drop(dek_id)

    def close(self) -> None:
        """Wipe all of them, and keep none any more."""
        with self._lock:
            self._closed = True
            self._empty()
            if self._stop_keeper is not None:
                self._stop_keeper()

    def sweep(self) -> list[str]:
        """Wipe what has had its time; return the ids of what is in use and has to be read again."""
        now, ids, due = self._clock(), [], 0
        with self._lock:
            for dek_id, entry in sorted(self._entries.items(), key=lambda one: one[1].refresh):
                if now >= entry.kept:
                    self._drop(dek_id)
                elif entry.used and entry.refresh < inf:
                    ids.append(dek_id)
                    ahead = entry.took * (_TIMES + len(ids) / AT_ONCE)  # earlier ones come first
                    if now >= entry.refresh - min(ahead, _MOST_TIMES * self._settings.ttl):
                        due = len(ids)
            for dek_id in ids[:due]:
                self._entries[dek_id].refresh = inf  # until this one has ended
        return ids[:due]

    def refresh(self, dek_id: str) -> None:
        """Read a DEK again before its time is over, for whoever asks for it next."""
        key = (dek_id, None, False)
        try:
            self._flights.run(key, partial(self._load, *key))
        except OUTAGE:
            self._outlive(dek_id)
        except KmsError:
            pass  # whoever asks for it next is told
        finally:
            with self._lock:
                entry = self._entries.get(dek_id)
                if entry is not None and entry.refresh == inf:
                    entry.refresh = self._clock() + self._lead / 4

    def start_again(self) -> None:
        """Wipe all in the child of a fork, where no other thread of the parent is left."""
        self._begin()
        self._empty()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._reading: dict[str, object] = {}
        self._stop_keeper: Callable[[], None] | None = None

    def _had(self, dek_id: str, size: int | None) -> bool:
        entry = self._entries.get(dek_id)
        return entry is not None and size in {None, len(entry.dek)}

    def _found(self, dek_id: str, size: int | None) -> Got | None:
        dek = self.find(dek_id, size)
        return None if dek is None else Got(dek, made=False, wrapped_by=self.wrapped_by(dek_id))

    def _read(self, dek_id: str, size: int | None, create: bool) -> Got:  # noqa: FBT001 -- the key of a flight
        # Perhaps somebody has read it since the caller has looked.
        return self._found(dek_id, size) or self._load(dek_id, size, create)

    def _load(self, dek_id: str, size: int | None, create: bool) -> Got:  # noqa: FBT001 -- likewise
        began, reading = self._clock(), object()
        with self._lock:
            reading = self._reading.setdefault(dek_id, reading)
        try:
            got = self._deks.get_dek(dek_id, size, create=create)
            with self._lock:
                if self._reading.get(dek_id) is reading and not self._closed:
                    took = self._clock() - began
                    self._keep(dek_id, _Entry(got, began, took, self._settings))
        except (*OUTAGE, DekSizeError):
            raise
        except KmsError:
            self.forget(dek_id)
            raise
        finally:
            self._reading.pop(dek_id, None)
        return got

    def _keep(self, dek_id: str, entry: _Entry) -> None:
        replaced = self._entries.get(dek_id)
        if replaced is None and len(self._entries) >= self._settings.max_entries:
            self._make_room()
        self._entries[dek_id] = entry
        if replaced is not None:
            replaced.wipe()
        if self._stop_keeper is None:
            self._stop_keeper = self._start_keeper(self, self._lead / 4)

    def _make_room(self) -> None:
        """Drop what was used longest ago; a tenth at once, since all are looked through."""
        entries = self._entries
        for dek_id in nsmallest(len(entries) // 10 or 1, entries, lambda i: entries[i].last):
            self._drop(dek_id)

    def _outlive(self, dek_id: str) -> None:
        """Let a DEK that cannot be read now outlive its ttl, and try again soon."""
        with self._lock:
            entry, now = self._entries.get(dek_id), self._clock()
            if entry is not None and now < entry.kept:
                entry.until, entry.used, entry.took = entry.kept, True, 0.0
                pause = min(_PAUSE * self._settings.ttl, _MOST_PAUSE, (entry.kept - now) / 4)
                entry.refresh = min(entry.refresh, now + pause)

    def _drop(self, dek_id: str) -> None:
        entry = self._entries.pop(dek_id, None)
        if entry is not None:
            entry.wipe()

    def _empty(self) -> None:
        self._reading.clear()
        for dek_id in list(self._entries):
            self._drop(dek_id)


def _lead(settings: CacheSettings) -> float:
    return min(max(_LEAD * settings.ttl, _LEAST_LEAD), _MOST_LEAD * settings.ttl)


_caches: weakref.WeakSet[DekCache] = weakref.WeakSet()


def _start_again() -> None:
    for cache in list(_caches):
        cache.start_again()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_start_again)
