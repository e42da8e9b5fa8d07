"""How people test: fake-gcs-server itself, and an emulator of Cloud KMS, without credentials."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kms_core import open_kms
from kms_core.builtin.local.key_file import new_key_file
from tests.fakes.gcp.storage_server import start_fake_gcs
from tests.gcp.cloud import Cloud

NOBODY = {"credentialsPath": None, "anonymous": True}


@pytest.fixture
def fake_gcs() -> Iterator[str]:
    with start_fake_gcs() as server:
        yield server.url


def test_emulators(
    cloud: Cloud, fake_gcs: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none"))
    for name in ("HTTP_PROXY", "http_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # who would see the DEKs
    monkeypatch.delenv("NO_PROXY")
    there = {"endpoint": cloud.kms.plain_endpoint, **NOBODY}
    kek = {"backend": "gcp", **cloud.kek_parameters(cloud.make_key(), **there)}
    storage = {
        "backend": "gcp",
        **cloud.storage_parameters("a-bucket", endpoint=fake_gcs, **NOBODY),
        "createBucket": True,
        "projectNumber": 0,
    }
    with open_kms(kek, storage) as kms:
        dek = kms.get_dek("id", create=True)
        assert kms.describe_kek().kek_version == "1"
    with open_kms(kek, storage) as kms:
        assert kms.get_dek("id", create=False) == dek
        assert list(kms.list_dek_ids()) == ["id"]


def test_a_container_by_its_name(
    fake_gcs: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a compose network, whose names only its own containers can look up."""
    look_up = socket.getaddrinfo

    def look_up_there(host: Any, *more: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if host == "fake-gcs" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_there)
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    by_name = fake_gcs.replace("127.0.0.1", "fake-gcs")
    uri = (
        f"storage://gcp?projectID=test&bucket=a-bucket&endpoint={by_name}&anonymous=true"
        "&allowHttp=true&createBucket=true&projectNumber=0"
    )
    with open_kms(f"kms://local?keyFile={key_file}", uri) as kms:
        assert kms.create_dek("id") == kms.get_dek("id")
