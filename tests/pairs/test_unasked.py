"""On every cloud: nothing makes a DEK that was not asked for, or goes a way that was not chosen;
and threads share connections.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import kms_core
from kms_core.builtin.local.key_file import new_key_file

THREADS = 50


@pytest.fixture
def local(tmp_path: Path) -> str:
    path = tmp_path / "kek.toml"
    path.touch(mode=0o600)
    path.write_text(new_key_file())
    return f"kms://local?keyFile={path}"


@pytest.fixture
def elsewhere(storage: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same store, but a bucket that somebody else uses."""
    cloud = storage["backend"]
    server = request.getfixturevalue("moto" if cloud == "aws" else cloud)
    if cloud == "azure":
        return storage | {"container": server.make_container()}
    return storage | {"bucket": server.make_bucket()}


@pytest.fixture
def another_kek(kek: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    cloud = kek["backend"]
    server = request.getfixturevalue("moto" if cloud == "aws" else cloud)
    if cloud == "azure":
        return kek | {"keyName": server.vaults["vault.azure.net"].make_key("RSA")}
    return kek | {"keyName": server.make_key()}


def test_a_wrong_bucket(local: str, storage: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    with kms_core.open_kms(local, storage) as kms:
        dek = kms.create_dek("id")
    with kms_core.open_kms(local, elsewhere) as kms:
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("id")
        assert list(kms.list_dek_ids()) == []
    with kms_core.open_kms(local, storage) as kms:
        assert kms.get_dek("id") == dek


def test_the_way_there_is_chosen_when_it_is_opened(
    kek: dict[str, Any], storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the environment later leads no call elsewhere."""
    with kms_core.open_kms(kek, storage) as kms:
        dek = kms.create_dek("id")
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            for spelled in (name, name.lower()):
                monkeypatch.setenv(spelled, "http://127.0.0.1:1")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert kms.get_dek("id") == dek


def test_a_mistyped_id(local: str, storage: dict[str, Any]) -> None:
    with kms_core.open_kms(local, storage | {"createDeks": False}) as kms:
        for create in (False, True):
            with pytest.raises(kms_core.DekNotFoundError):
                kms.get_dek("volume-24", create=create)
        assert list(kms.list_dek_ids()) == []


def test_another_kek(kek: dict[str, Any], another_kek: dict[str, Any], tmp_path: Path) -> None:
    storage = {"backend": "file", "path": str(tmp_path)}
    with kms_core.open_kms(kek, storage) as kms:
        dek = kms.create_dek("id")
    before = (tmp_path / "dek-id.json").read_bytes()
    for create in (False, True):
        with (
            kms_core.open_kms(another_kek, storage) as kms,
            pytest.raises(kms_core.KekNotFoundError, match="configure the KEK that") as caught,
        ):
            kms.get_dek("id", create=create)
        with kms_core.open_kms(another_kek, storage) as kms:
            configured = kms.describe_kek().kek_id
        assert configured in str(caught.value)
        assert json.loads(before)["kek"]["id"] in str(caught.value)
    assert (tmp_path / "dek-id.json").read_bytes() == before
    with kms_core.open_kms(kek, storage) as kms:
        assert kms.get_dek("id") == dek


def test_many_threads_share_connections(
    local: str, storage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with kms_core.open_kms(local, storage) as kms, ThreadPoolExecutor(THREADS) as pool:
        barrier = Barrier(THREADS)

        def create_and_read(number: int) -> bool:
            barrier.wait(120)
            dek = kms.create_dek(f"id-{number}")
            barrier.wait(120)
            return kms.get_dek(f"id-{number}") == dek

        assert all(pool.map(create_and_read, range(THREADS)))
    assert "Connection pool is full" not in caplog.text
