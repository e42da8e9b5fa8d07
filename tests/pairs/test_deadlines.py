"""Whatever hangs, at whichever step: a call of a cloud ends at its deadline for its caller."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from tests.pairs.test_steps import KEK_STEPS, STORAGE_STEPS, Step, make_the_mistake

STEPS = ["credentials", "call", "reply"]


@pytest.fixture(autouse=True)
def hang() -> Iterator[Any]:
    """What hangs until the test is over: it can only pass if nobody waits for this."""
    over = threading.Event()
    yield lambda *_, **__: over.wait()
    over.set()


@pytest.fixture
def local(tmp_path: Path) -> str:
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    return f"kms://local?keyFile={key_file}"


def put(hang: Any, step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    make_the_mistake(monkeypatch, (step[0], step[1], hang))


def ends(kms: kms_core.Kms, backend: str) -> None:
    client: Any = kms._deks.kek if backend.startswith("kms") else kms._deks.storage
    client._workers._deadline = 0.5  # only now: on a busy machine an opening takes longer
    with pytest.raises(kms_core.UnavailableError, match=r"no answer within 0\.5 seconds") as caught:
        kms.get_dek("id", create=True)
    assert caught.value.backend == backend


@pytest.mark.parametrize("step", STEPS)
def test_a_kek_that_hangs(
    kek: dict[str, Any], step: str, tmp_path: Path, hang: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = kek["backend"]
    with kms_core.open_kms(kek, f"storage://file?path={tmp_path}") as kms:
        put(hang, KEK_STEPS[cloud, step], monkeypatch)
        ends(kms, f"kms://{cloud}")


@pytest.mark.parametrize("step", STEPS)
def test_a_storage_that_hangs(
    storage: dict[str, Any], step: str, local: str, hang: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = storage["backend"]
    with kms_core.open_kms(local, storage) as kms:
        kms.create_dek("id")
    with kms_core.open_kms(local, storage) as kms:  # without a token yet
        put(hang, STORAGE_STEPS[cloud, step], monkeypatch)
        ends(kms, f"storage://{cloud}")


def test_a_name_server_that_hangs(
    storage: dict[str, Any], local: str, hang: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kms_core.open_kms(local, storage) as kms:
        monkeypatch.setattr(socket, "getaddrinfo", hang)
        ends(kms, f"storage://{storage['backend']}")
