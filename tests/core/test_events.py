"""Observers hear of everything, hold up nothing, and never see a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from threading import Thread
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._events import Observer
from kms_core._plugins.clients import ObserverClient, bind
from kms_core.backend import BackendConfig, CallStart, Event, ObserverSpec, hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.rotation import rotate_key_file
from kms_core.builtin.memory import MemoryStorage


class Recorder(ObserverSpec):
    class Config(BackendConfig):
        pass

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    def observe(self, event: Event) -> None:
        self.events.append(event)

    @hookimpl
    def close(self) -> None:
        self.events.clear()


class Broken(Recorder):
    @hookimpl
    def observe(self, event: Event) -> None:
        raise RuntimeError("hunter2")


class Nested(Recorder):
    """Hears beginnings as well."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[CallStart] = []

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        self.starts.append(start)


def _hears(name: str, observer: ObserverSpec) -> Observer:
    client = bind(f"observer://{name}", observer, "test")
    assert isinstance(client, ObserverClient)
    return client.hears


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def watched(kek: Any, storage: Any, recorder: Recorder, open_with: Callable[..., Kms]) -> Kms:
    bound = [
        _hears("broken", Broken()),
        _hears("recorder", recorder),
    ]
    return open_with(kek, storage, bound)


def calls(recorder: Recorder) -> list[tuple[str, str, str]]:
    return [(e.backend, e.operation, e.outcome) for e in recorder.events]


def test_a_create_and_a_read(watched: Kms, recorder: Recorder) -> None:
    watched.get_dek("a", create=True)
    assert calls(recorder) == [
        ("storage://memory", "load_record", "declined"),
        ("kms://local", "wrap_dek", "done"),
        ("kms://local", "unwrap_dek", "done"),  # to prove it before it is stored
        ("storage://memory", "create_record", "done"),
        ("kms://local", "get_dek", "done"),
    ]
    assert {e.dek_id for e in recorder.events} == {"a"}
    assert recorder.events[0].error == "DekNotFoundError"
    assert [e.made for e in recorder.events] == [None, None, None, None, True]
    assert all(e.seconds >= 0 for e in recorder.events)
    recorder.events.clear()
    dek = watched.get_dek("a", create=True)
    assert calls(recorder)[1:] == [
        ("kms://local", "unwrap_dek", "done"),
        ("kms://local", "get_dek", "done"),
    ]
    assert recorder.events[-1].made is False
    assert repr(dek) not in repr(recorder.events)


def test_a_bad_record_is_heard_of(watched: Kms, storage: Any, recorder: Recorder) -> None:
    storage.create_record("a", b"not a record")
    with pytest.raises(kms_core.RecordError):
        watched.get_dek("a", create=True)
    assert recorder.events[-1].error == "RecordError"


def test_a_broken_observer_changes_nothing_and_is_logged(
    watched: Kms, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(watched.get_dek("a", create=True)) == 32
    assert recorder.events
    [logged] = caplog.messages
    assert logged.startswith("observer://broken failed with RuntimeError")
    assert "hunter2" not in caplog.text


def test_each_kind_of_failure_is_logged_once_for_each_opening(
    kek: Any, storage: Any, open_with: Callable[..., Kms], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise (ValueError if event.operation == "get_dek" else KeyError)

    for _ in range(2):
        kms = open_with(kek, storage, [Observer("first", fail), Observer("second", fail)])
        for _ in range(3):
            kms.get_dek("a", create=True)
    told = [message.partition(",")[0] for message in caplog.messages]
    each = [f"{o} failed with {k}" for o in ("first", "second") for k in ("KeyError", "ValueError")]
    assert sorted(told) == sorted(each * 2)


def test_an_event_names_the_kek(watched: Kms, recorder: Recorder) -> None:
    kek = watched.describe_kek()
    names = (kek.kek_id, kek.kek_version)
    watched.create_dek("a")
    watched.get_dek("a")
    watched.get_dek("b", create=True)
    told = {(e.operation, e.kek_id, e.kek_version) for e in recorder.events}
    with_kek = {"describe_kek", "wrap_dek", "unwrap_dek", "create_dek", "get_dek"}
    assert {operation for operation, *said in told if tuple(said) == names} == with_kek
    assert {o for o, *said in told if said == [None, None]} == {"load_record", "create_record"}


def test_a_failed_call_names_no_kek(watched: Kms, storage: Any, recorder: Recorder) -> None:
    watched.create_dek("a")
    stored = storage.load_record("a")
    altered = stored.data[:-6] + b"AAAA" + stored.data[-2:]
    storage.replace_record("a", altered, stored.revision)
    recorder.events.clear()
    with pytest.raises(kms_core.KmsError):
        watched.get_dek("a")
    assert {e.kek_id for e in recorder.events} == {None}


def test_a_rewrap_tells_the_kek_that_wraps_from_now_on(
    key_file: Any, storage: Any, recorder: Recorder, open_with: Callable[..., Kms]
) -> None:
    rotate_key_file(key_file)
    kek = LocalKek(LocalKek.Config(key_file=key_file))
    open_with(kek, storage).create_dek("a")
    kek.rotate_kek()
    kms = open_with(kek, storage, [_hears("recorder", recorder)])
    [*kms.rewrap_deks(dry_run=True)]
    [*kms.rewrap_deks()]
    kms.rewrap_dek("a")
    versions = [e.kek_version for e in recorder.events if e.operation == "rewrap_dek"]
    assert versions == ["2", "3", "3"]


def test_hooks_have_a_parent_and_what_was_asked_for_has_none(
    watched: Kms, recorder: Recorder
) -> None:
    watched.get_dek("a", create=True)
    *hooks, asked = recorder.events
    assert asked.parent is None
    assert {e.parent for e in hooks} == {asked.call}
    watched.describe_kek()
    assert recorder.events[-1].parent is None


def test_each_caller_is_told_and_no_other(watched: Kms, recorder: Recorder) -> None:
    watched.create_dek("a")

    def request(user: str) -> None:
        kms_core.caller.set(user)
        watched.get_dek("a")

    threads = [Thread(target=request, args=(user,)) for user in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    watched.get_dek("a")
    callers = [e.caller for e in recorder.events if e.operation == "get_dek"]
    assert Counter(callers) == Counter(["alice", "bob", None])


def test_a_beginning_and_an_end(
    kek: Any, storage: Any, open_with: Callable[..., Kms], monkeypatch: pytest.MonkeyPatch
) -> None:
    nested, order = Nested(), []
    told = [_hears("nested", nested), Observer("plain", lambda e: order.append(e.operation))]
    open_with(kek, storage, told).create_dek("a")
    assert [s.operation for s in nested.starts] == [
        *("create_dek", "wrap_dek", "unwrap_dek", "create_record")
    ]
    ends = ["wrap_dek", "unwrap_dek", "create_record", "create_dek"]
    assert [e.operation for e in nested.events] == ends
    assert order == ends
    assert {e.call for e in nested.events} == {s.call for s in nested.starts}
    assert nested.events[-1].call == nested.starts[0].call


def test_those_told_first_of_a_beginning_are_told_last_of_the_end(
    kek: Any, storage: Any, open_with: Callable[..., Kms]
) -> None:
    told: list[str] = []
    observers = [
        Observer(name, lambda e, n=name: told.append(f"end {n}"), lambda s, n=name: told.append(n))  # type: ignore[misc]
        for name in ("outer", "inner")
    ]
    open_with(kek, storage, observers).describe_kek()
    assert told == ["outer", "inner", "end inner", "end outer"]


def test_a_context_variable_of_the_beginning_is_seen_by_the_hook(
    kek: Any, storage: Any, open_with: Callable[..., Kms]
) -> None:
    span: ContextVar[int] = ContextVar("span", default=0)
    seen: list[int] = []
    storage.before_load.append(lambda: seen.append(span.get()))

    def start(call: CallStart) -> None:
        span.set(call.call)

    kms = open_with(kek, storage, [Observer("spans", lambda event: seen.append(event.call), start)])
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")
    assert seen[0] == seen[1], "the span of load_record was open during load_record"


def test_a_lost_race_is_no_failure(watched: Kms, storage: Any, recorder: Recorder) -> None:
    storage.before_create.append(lambda: MemoryStorage.create_record(storage, "b", b"x"))
    with pytest.raises(kms_core.RecordError):
        watched.get_dek("b", create=True)
    [create] = [e for e in recorder.events if e.operation == "create_record"]
    assert (create.outcome, create.error) == ("declined", "DekExistsError")


def test_a_callable_is_an_observer(key_file: Any, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Event] = []

    def broken(_event: Event) -> None:
        raise ValueError("hunter2")

    with kms_core.open_kms(
        f"kms://local?keyFile={key_file}", "storage://memory", observers=[events.append, broken]
    ) as kms:
        kms.create_dek("a")
    assert [e.operation for e in events][-2:] == ["close", "close"]
    assert "create_dek" in [e.operation for e in events]
    assert "broken failed with ValueError" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_log_observer(key_file: Any, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level("INFO", "kms_core.audit"),
        kms_core.open_kms(
            f"kms://local?keyFile={key_file}", "storage://memory", observers=["log"]
        ) as kms,
    ):
        kms.get_dek("volume\u202e42", create=True)
    assert "kms://local get_dek dek_id='volume\\u202e42' outcome=done" in caplog.text
    [made] = [r for r in caplog.records if getattr(r, "kms_operation", "") == "get_dek"]
    assert (made.kms_backend, made.kms_outcome, made.kms_made) == ("kms://local", "done", True)  # type: ignore[attr-defined]
