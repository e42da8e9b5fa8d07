"""Observers hear of everything, hold up nothing, and never see a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._plugins.clients import ObserverClient, bind
from kms_core.backend import BackendConfig, Event, ObserverSpec, hookimpl


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


def _observe(name: str, observer: ObserverSpec) -> Callable[[Event], None]:
    client = bind(f"observer://{name}", observer, "test")
    assert isinstance(client, ObserverClient)
    return client.observe


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def watched(kek: Any, storage: Any, recorder: Recorder, open_with: Callable[..., Kms]) -> Kms:
    bound = [
        _observe("broken", Broken()),
        _observe("recorder", recorder),
    ]
    return open_with(kek, storage, bound)


def calls(recorder: Recorder) -> list[tuple[str, str, str]]:
    return [(e.backend, e.operation, e.outcome) for e in recorder.events]


def test_a_create_and_a_read(watched: Kms, recorder: Recorder) -> None:
    watched.get_dek("a")
    assert calls(recorder) == [
        ("storage://memory", "load_record", "failed"),
        ("kms://local", "wrap_dek", "done"),
        ("storage://memory", "create_record", "done"),
        ("kms://local", "get_dek", "done"),
    ]
    assert {e.dek_id for e in recorder.events} == {"a"}
    assert recorder.events[0].error == "DekNotFoundError"
    assert all(e.seconds >= 0 for e in recorder.events)
    recorder.events.clear()
    dek = watched.get_dek("a")
    assert calls(recorder)[1:] == [
        ("kms://local", "unwrap_dek", "done"),
        ("kms://local", "get_dek", "done"),
    ]
    assert repr(dek) not in repr(recorder.events)


def test_a_bad_record_is_heard_of(watched: Kms, storage: Any, recorder: Recorder) -> None:
    storage.create_record("a", b"not a record")
    with pytest.raises(kms_core.RecordError):
        watched.get_dek("a")
    assert recorder.events[-1].error == "RecordError"


def test_a_broken_observer_changes_nothing_and_is_logged(
    watched: Kms, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(watched.get_dek("a")) == 32
    assert recorder.events
    assert "observer://broken failed with RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_log_observer(key_file: Any, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level("INFO", "kms_core.audit"),
        kms_core.open_kms(
            f"kms://local?keyFile={key_file}", "storage://memory", observers=["log"]
        ) as kms,
    ):
        kms.get_dek("volume\u202e42")
    assert "kms://local get_dek dek_id='volume\\u202e42' outcome=done" in caplog.text
