"""Whatever hangs, at whichever step: a call of a cloud ends at its deadline for its caller."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from kms_core.testing._harness.wire import FaultyWire, at_port
from tests.pairs.conftest import make_kek
from tests.pairs.test_steps import KEK_STEPS, STORAGE_STEPS, Step, make_the_mistake

STEPS = ["credentials", "call", "reply"]
FAULTS = ["hangs", "drips the answer", "is dropped before the request"]
"""No head comes, no end of a body, and none of many tries."""
PATIENT = {"connectTimeout": 60, "readTimeout": 60, "maxAttempts": 10, "deadline": 300}
"""So that nothing but the deadline ends a call."""


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


def ends(kms: kms_core.Kms, backend: str, dek_id: str = "id") -> None:
    client: Any = kms._deks.kek if backend.startswith("kms") else kms._deks.storage
    expected = pytest.raises(kms_core.UnavailableError, match=r"no answer within 0\.5 seconds")
    with pytest.MonkeyPatch.context() as patch, expected as caught:
        # Only here: on a busy machine an opening or a closing takes longer.
        patch.setattr(client.workers, "deadline", 0.5)
        kms.get_dek(dek_id, create=True)
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


def test_a_name_server_that_hangs_for_grpc(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC resolves outside of Python; its names may say which server to ask."""
    kek = make_kek(request, "gcp") | PATIENT
    with socket.socket(type=socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        name = f"dns://127.0.0.1:{mute.getsockname()[1]}/kms.example:443"
        make = grpc.secure_channel
        monkeypatch.setattr(grpc, "secure_channel", lambda _host, *given: make(name, *given))
        with kms_core.open_kms(kek, f"storage://file?path={tmp_path}") as kms:
            ends(kms, "kms://gcp")
            assert b"example" in mute.recv(512)  # at last: its call goes on until the closing


@pytest.fixture
def wire() -> Iterator[FaultyWire]:
    wire = FaultyWire(patience=600)
    yield wire
    wire.close()


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port where connections wait to be accepted, and no more of them are taken."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(address)
        yield address[1]
        for one in waiting:
            one.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wire_to_a_kek(kek: dict[str, Any], fault: str, tmp_path: Path, wire: FaultyWire) -> None:
    through = kek | PATIENT | {"endpoint": wire.to(kek["endpoint"])}
    with kms_core.open_kms(through, f"storage://file?path={tmp_path}") as kms:
        kms.create_dek("id")
        wire.spoil(fault)
        ends(kms, f"kms://{kek['backend']}", "new")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wire_to_a_storage(
    storage: dict[str, Any], fault: str, local: str, wire: FaultyWire
) -> None:
    through = storage | PATIENT | {"endpoint": wire.to(storage["endpoint"])}
    with kms_core.open_kms(local, through) as kms:
        kms.create_dek("id")
        wire.spoil(fault)
        ends(kms, f"storage://{storage['backend']}", "new")


def test_a_kek_that_takes_no_connection(
    kek: dict[str, Any], tmp_path: Path, full_port: int
) -> None:
    nowhere = kek | PATIENT | {"endpoint": at_port(kek["endpoint"], full_port)}
    with kms_core.open_kms(nowhere, f"storage://file?path={tmp_path}") as kms:
        ends(kms, f"kms://{kek['backend']}")


def test_a_storage_that_takes_no_connection(
    storage: dict[str, Any], local: str, full_port: int
) -> None:
    nowhere = storage | PATIENT | {"endpoint": at_port(storage["endpoint"], full_port)}
    with kms_core.open_kms(local, nowhere) as kms:
        ends(kms, f"storage://{storage['backend']}")
