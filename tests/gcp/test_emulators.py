"""How people test: fake-gcs-server itself, and an emulator of Cloud KMS, without credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_core import open_kms
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
