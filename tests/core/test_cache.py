"""The cache: a read in its time makes no call, and nobody gets what may not be given any more."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._config.cache import CacheSettings
from kms_core._deks.cache import DekCache
from kms_core._deks.got import Got
from kms_core._deks.keeper import start_keeper
from kms_core.backend import Event
from tests.core.test_secrecy import SECRET, everything_shown

TTL, AHEAD = 100.0, 0.2
"""AHEAD of the end of its time a DEK that was quickly read is read again at the latest."""


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def no_keeper(_cache: object, _seconds: float) -> Callable[[], None]:
    return lambda: None


Cached = Callable[..., Kms]


@pytest.fixture
def cached(kek: Any, storage: Any, open_with: Callable[..., Kms], clock: Clock) -> Iterator[Cached]:
    """Opens a façade with a cache that a test looks after by hand."""
    opened = []

    def cached(observers: list[Any] | None = None, **settings: Any) -> Kms:
        kms = open_with(kek, storage, observers)
        given = CacheSettings(**{"ttl": TTL, **settings})
        kms._cache = DekCache(kms._deks, given, clock, no_keeper)
        kms._resources.callback(kms._cache.close)
        opened.append(kms)
        return kms

    yield cached
    for kms in opened:
        kms.close()


def cache_of(kms: Kms) -> DekCache:
    assert kms._cache is not None
    return kms._cache


def fail(error: Exception) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def test_a_read_in_its_time_makes_no_call(cached: Cached, storage: Any, clock: Clock) -> None:
    kms = cached()
    dek = kms.get_dek("a", create=True)
    loads = storage.loads
    clock.now += TTL - AHEAD
    assert kms.get_dek("a") == kms.get_dek("a", size=32, create=True) == dek
    assert storage.loads == loads
    clock.now += 1
    assert kms.get_dek("a") == dek
    assert storage.loads == loads + 1


def test_its_time_counts_from_before_it_was_read(
    cached: Cached, storage: Any, clock: Clock
) -> None:
    kms = cached()
    kms.create_dek("a")
    storage.before_load = [lambda: setattr(clock, "now", clock.now + TTL)]
    kms.get_dek("a")
    kms.get_dek("a")
    assert storage.loads == 2


def test_a_hit_keeps_the_checks(cached: Cached) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    with pytest.raises(kms_core.DekSizeError, match="not the 16 asked for"):
        kms.get_dek("a", size=16)
    with pytest.raises(kms_core.DekSizeError):
        kms.get_dek("a", size=True)
    no_ids: list[Any] = [[], b"a", None]
    for no_id in no_ids:
        with pytest.raises(kms_core.DekIdError):
            kms.get_dek(no_id)
    assert kms.get_dek("a", size=32)


def test_what_is_given_out_is_a_copy(cached: Cached) -> None:
    kms = cached()
    dek = kms.get_dek("a", create=True)
    hit = kms.get_dek("a")
    kms.forget_dek("a")
    assert hit == dek != bytes(32)


def test_a_dek_in_use_is_read_again_ahead(cached: Cached, storage: Any, clock: Clock) -> None:
    kms = cached()
    dek = kms.get_dek("a", create=True)
    kms.get_dek("a")
    cache, loads = cache_of(kms), storage.loads
    clock.now += TTL / 2
    assert cache.sweep() == []
    clock.now += TTL / 2 - AHEAD
    assert cache.sweep() == ["a"]
    assert cache.sweep() == [], "it is on its way"
    old = cache._entries["a"]
    cache.refresh("a")
    assert old.dek == bytes(32)
    clock.now += TTL / 2
    assert kms.get_dek("a") == dek
    assert storage.loads == loads + 1


class Timed:
    """Deks of which each takes its time to read, and a cache that this looks after alone."""

    def __init__(self, clock: Clock, ttl: float, seconds: float, ids: list[str]) -> None:
        self._clock, self._seconds, self._ids = clock, seconds, ids
        self.reads = 0
        self.cache = DekCache(self, CacheSettings(ttl), clock, self.keep)

    def keep(self, _cache: object, seconds: float) -> Callable[[], None]:
        self.interval = seconds
        return lambda: None

    def get_dek(self, dek_id: str, _size: int | None, *, create: bool) -> Got:
        assert not create
        self.reads += 1
        self._clock.now += self._seconds
        return Got(dek_id.encode(), made=False, wrapped_by=None)

    def read_first(self) -> None:
        """All at once, as many threads do."""
        began = self._clock.now
        for dek_id in self._ids:
            self._clock.now = began
            self.cache.get(dek_id, None, create=False, within=lambda call: call())

    def run(self, until: float) -> None:
        """Look after it, and use all of them at each moment."""
        due: list[str] = []
        while self._clock.now < until:
            assert all(self.cache.find(dek_id, None) for dek_id in self._ids), "expiry is felt"
            due += self.cache.sweep()
            if due:
                self.cache.refresh(due.pop(0))
            else:
                self._clock.now += self.interval


def test_a_dek_is_read_once_for_each_ttl(clock: Clock) -> None:
    timed, times = Timed(clock, 300, 0.05, ["a"]), 100
    timed.read_first()
    timed.run(clock.now + times * 300)
    assert timed.reads == pytest.approx(times, rel=0.01)


def test_many_that_were_read_at_once_are_all_read_again_in_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms_core._deks.cache.AT_ONCE", 1)
    ids = [str(number) for number in range(200)]
    timed, times = Timed(clock, 60, 0.05, ids), 5
    timed.read_first()
    timed.run(clock.now + times * 60)
    assert timed.reads == pytest.approx(times * len(ids), rel=0.2)


def test_a_dek_that_nobody_uses_is_wiped(cached: Cached, clock: Clock) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    cache = cache_of(kms)
    entry = cache._entries["a"]
    clock.now += TTL - AHEAD
    assert cache.sweep() == []
    clock.now += 1
    assert cache.sweep() == []
    assert cache._entries == {}
    assert entry.dek == bytes(32)


def test_a_refresh_that_a_reader_made_unneeded_comes_again(cached: Cached, clock: Clock) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    kms.get_dek("a")
    cache = cache_of(kms)
    clock.now += TTL - AHEAD
    assert cache.sweep() == ["a"]
    cache._flights.run = lambda *_: (None, False)  # type: ignore[method-assign, assignment] # a reader leads
    cache.refresh("a")
    clock.now += AHEAD * 3 / 4
    assert cache.sweep() == ["a"]


def test_uses_are_counted(cached: Cached, storage: Any) -> None:
    kms = cached(max_uses=3)
    kms.create_dek("a")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: kms.get_dek("a"), range(30)))) == 1
    assert storage.loads == 10


def test_who_waits_for_a_read_uses_it_as_well(cached: Cached, storage: Any) -> None:
    kms, together = cached(max_uses=2), threading.Barrier(8)
    kms.create_dek("a")

    def get(_number: int) -> bytes:
        together.wait(120)
        return kms.get_dek("a")

    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(get, range(8))}) == 1
    assert storage.loads == 4


def test_a_reader_that_comes_a_moment_late_makes_no_call(cached: Cached, storage: Any) -> None:
    kms = cached()
    dek = kms.create_dek("a")

    def overtaken(call: Callable[[], Any]) -> Any:
        kms.get_dek("a")
        return call()

    assert cache_of(kms).get("a", None, create=False, within=overtaken).dek == dek
    assert storage.loads == 1


def test_a_dek_that_is_wiped_while_it_is_copied_is_given_to_nobody(cached: Cached) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    entry = cache_of(kms)._entries["a"]

    class Overtaken(bytearray):
        def __bytes__(self) -> bytes:
            kms.forget_dek("a")
            return bytes(len(self))

    entry.dek = Overtaken(entry.dek)
    assert cache_of(kms).find("a", None) is None


def test_the_one_used_longest_ago_leaves(cached: Cached, clock: Clock) -> None:
    kms = cached(max_entries=2)
    for dek_id in ("a", "b", "a", "c"):
        clock.now += 1
        kms.get_dek(dek_id, create=True)
    assert {*cache_of(kms)._entries} == {"a", "c"}


def test_a_full_cache_makes_room_for_several(cached: Cached, clock: Clock) -> None:
    kms = cached(max_entries=20)
    for number in range(21):
        clock.now += 1
        kms.get_dek(str(number), create=True)
    assert [*cache_of(kms)._entries] == [str(number) for number in range(2, 21)]


@pytest.mark.parametrize("how", ["forget_dek", "delete_dek", "rewrap_dek", "rewrap_deks", "close"])
def test_what_leaves_is_wiped_at_once(cached: Cached, how: str) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    entry = cache_of(kms)._entries["a"]
    result = getattr(kms, how)(*["a"] * (how != "close"))
    list(result if how == "rewrap_deks" else ())
    assert entry.dek == bytes(32)
    assert cache_of(kms)._entries == {}


def test_a_deleted_dek_is_not_found(cached: Cached) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    kms.delete_dek("a")
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")


def test_a_closed_kms_gives_nothing(cached: Cached) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    kms.close()
    with pytest.raises(kms_core.ClosedError):
        kms.get_dek("a")


@pytest.mark.parametrize("how", ["forget_dek", "delete_dek", "close"])
def test_what_is_forgotten_while_it_is_read_is_not_kept(cached: Cached, kek: Any, how: str) -> None:
    kms = cached()
    kms.create_dek("a")

    def meanwhile(dek: bytes) -> bytes:
        kek.alter_dek = lambda dek: dek
        getattr(kms, how)(*["a"] * (how != "close"))
        return dek

    kek.alter_dek = meanwhile
    kms.get_dek("a")
    assert cache_of(kms)._entries == {}


def test_a_record_that_others_changed_is_seen_at_the_next_refresh(
    cached: Cached, kek: Any, storage: Any, open_with: Callable[..., Kms], clock: Clock
) -> None:
    kms, other = cached(), open_with(kek, storage)
    old = kms.get_dek("a", create=True)
    kms.get_dek("a")
    other.delete_dek("a")
    new = other.create_dek("a", size=16)
    clock.now += TTL - AHEAD
    [due] = cache_of(kms).sweep()
    assert kms.get_dek("a") == old
    cache_of(kms).refresh(due)
    assert kms.get_dek("a") == new
    with pytest.raises(kms_core.DekSizeError):
        kms.get_dek("a", size=32)


def test_a_dek_that_others_deleted_is_made_again_only_when_asked(
    cached: Cached, kek: Any, storage: Any, open_with: Callable[..., Kms], clock: Clock
) -> None:
    kms, other = cached(), open_with(kek, storage)
    old = kms.get_dek("a", create=True)
    other.delete_dek("a")
    clock.now += TTL
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")
    assert kms.get_dek("a", create=True) != old


OUTAGES = [kms_core.UnavailableError("no"), kms_core.ThrottledError("no")]
REFUSALS = [
    kms_core.AccessDeniedError("no"),
    kms_core.AuthenticationError("no"),
    kms_core.KekDisabledError("no"),
    kms_core.KekNotFoundError("no"),
    kms_core.UnwrapError("no"),
]


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("ahead", [True, False])
def test_an_outage_lets_a_dek_outlive_its_ttl(
    cached: Cached, storage: Any, clock: Clock, error: Exception, *, ahead: bool
) -> None:
    kms = cached(stale_on_outage=50)
    dek = kms.get_dek("a", create=True)
    kms.get_dek("a")
    storage.before_load = [fail(error)] * 9
    if ahead:
        clock.now += TTL - AHEAD
        cache_of(kms).refresh(cache_of(kms).sweep()[0])
        clock.now += 1
    else:
        clock.now += TTL
    assert kms.get_dek("a") == dek
    clock.now += 49
    assert kms.get_dek("a") == dek
    assert cache_of(kms).sweep() == ["a"], "it is tried again"
    clock.now += 1
    with pytest.raises(type(error)):
        kms.get_dek("a")


@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: type(error).__name__)
def test_an_outage_is_felt_where_nothing_else_was_asked_for(
    cached: Cached, storage: Any, clock: Clock, error: Exception
) -> None:
    kms = cached()
    kms.get_dek("a", create=True)
    storage.before_load = [fail(error)]
    clock.now += TTL
    with pytest.raises(type(error)):
        kms.get_dek("a")


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("ahead", [True, False])
def test_a_refusal_ends_it_at_once(  # noqa: PLR0913 -- two cases of what five fixtures make
    cached: Cached, kek: Any, storage: Any, clock: Clock, error: Exception, *, ahead: bool
) -> None:
    kms = cached(stale_on_outage=1000)
    kms.get_dek("a", create=True)
    kms.get_dek("a")

    def refuse(_dek: bytes) -> bytes:
        raise error

    storage.before_load = [fail(kms_core.UnavailableError("no"))]  # first an outage, then the news
    clock.now += TTL - AHEAD
    cache_of(kms).refresh(cache_of(kms).sweep()[0])
    kek.alter_dek = refuse
    if ahead:
        clock.now += TTL
        cache_of(kms).refresh(cache_of(kms).sweep()[0])
    else:
        kms.forget_dek("a")
    with pytest.raises(type(error)):
        kms.get_dek("a")
    assert cache_of(kms)._entries == {}


def test_an_expiry_is_one_call_whatever_is_asked_for(
    cached: Cached, kek: Any, clock: Clock
) -> None:
    kms = cached()
    dek = kms.get_dek("a", create=True)
    clock.now += TTL
    asked = [{}, {"size": 32}, {"create": True}, {"size": 32, "create": True}] * 8
    met, unwraps = threading.Barrier(len(asked)), []

    def count(dek: bytes) -> bytes:
        unwraps.append(1)
        return dek

    kek.alter_dek = count

    def get(how: dict[str, Any]) -> bytes:
        met.wait(120)
        return kms.get_dek("a", **how)

    with ThreadPoolExecutor(len(asked)) as pool:
        assert {*pool.map(get, asked)} == {dek}
    assert len(unwraps) == 1


def test_64_threads_while_entries_expire(cached: Cached, storage: Any, clock: Clock) -> None:
    kms, ids, periods = cached(max_entries=3), ["a", "b", "c"], 20
    deks = [kms.create_dek(dek_id) for dek_id in ids]
    with ThreadPoolExecutor(64) as pool:
        for _ in range(periods):
            reads = [pool.submit(kms.get_dek, ids[number % 3]) for number in range(192)]
            clock.now += TTL
            for dek_id in cache_of(kms).sweep():
                cache_of(kms).refresh(dek_id)
            assert [read.result(120) for read in reads] == deks * 64
    assert storage.loads <= 3 * (periods + 1)


def test_threads_never_get_what_is_being_wiped(cached: Cached) -> None:
    kms, done = cached(), threading.Event()
    dek = kms.get_dek("a", create=True)

    def wipe() -> None:
        while not done.is_set():
            kms.forget_dek("a")

    with ThreadPoolExecutor(1) as pool:
        wiping = pool.submit(wipe)
        got = {kms.get_dek("a") for _ in range(3000)}
        done.set()
        wiping.result(120)
    assert got == {dek}


def test_a_child_starts_empty(cached: Cached, storage: Any) -> None:
    kms = cached()
    dek = kms.get_dek("a", create=True)
    entry, cache = cache_of(kms)._entries["a"], cache_of(kms)
    with cache._lock:  # as another thread of the parent may
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            empty = cache._entries == {} and entry.dek == bytes(32)
            loads = storage.loads
            again = kms.get_dek("a") == dek and storage.loads == loads + 1
            os._exit(0 if empty and again else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert entry.dek == dek


def test_a_hit_is_an_event_like_any_read(cached: Cached) -> None:
    events: list[Event] = []
    kms = cached([kms_core._events.Observer("test", events.append)])
    kms.get_dek("a", create=True)
    read = events[-1]
    events.clear()
    kms.get_dek("a")
    [hit] = events
    assert (hit.operation, hit.dek_id, hit.outcome, hit.made) == ("get_dek", "a", "done", False)
    assert (hit.kek_id, hit.kek_version) == (read.kek_id, read.kek_version)
    assert None not in {hit.kek_id, hit.kek_version}


def test_nothing_shows_what_is_kept(
    cached: Cached, clock: Clock, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_bytes", lambda size: (9 * SECRET.encode())[:size])
    kms = cached()
    kms.get_dek("a", size=14, create=True)
    cache = cache_of(kms)
    assert cache._entries["a"].dek == SECRET.encode()
    for shown in (repr(kms), repr(cache), repr(cache._entries), str(vars(cache))):
        assert SECRET not in shown
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(cache._entries["a"])
    clock.now += TTL
    storage.before_load = [fail(kms_core.UnavailableError("no"))]
    with pytest.raises(kms_core.UnavailableError) as caught:
        kms.get_dek("a")
    assert SECRET not in everything_shown(caught.value)


class Kept:
    """What a keeper looks after."""

    def __init__(self) -> None:
        self.due = ["a"]
        self.refreshed = threading.Event()

    def sweep(self) -> list[str]:
        due, self.due = self.due, []
        return due

    def refresh(self, dek_id: str) -> None:
        assert dek_id == "a"
        self.refreshed.set()


@pytest.mark.parametrize("end", ["stopped", "forgotten"])
def test_a_keeper_reads_ahead_and_ends(end: str) -> None:
    before = {*threading.enumerate()}
    kept = Kept()
    stop = start_keeper(kept, 0)
    assert kept.refreshed.wait(120)
    threads = {*threading.enumerate()} - before
    if end == "stopped":
        stop()
    del kept, stop
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


def test_a_kms_with_a_cache_reads_ahead_by_itself(key_file: Any) -> None:
    loads = 0
    seen = threading.Event()

    def count(event: Event) -> None:
        nonlocal loads
        loads += event.operation == "load_record" and event.parent is None  # nobody's own read
        if loads == 3:
            seen.set()

    kek, cache = f"kms://local?keyFile={key_file}", {"ttl": 0.2}
    with kms_core.open_kms(kek, "storage://memory", cache=cache, observers=[count]) as kms:
        dek = kms.get_dek("a", create=True)
        while not seen.is_set():
            assert kms.get_dek("a") == dek
            seen.wait(0.01)
