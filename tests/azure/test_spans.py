"""One tree for each call: the program's span, those of kms-core, and below them the SDK's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.settings import settings

from kms_core import open_kms
from tests.azure.cloud import Cloud
from tests.spans import Telemetry, run_sdk, tree_of_a_read


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    settings.tracing_enabled = True
    with run_sdk() as telemetry:
        yield telemetry
    settings.tracing_enabled = False


def test_one_tree(cloud: Cloud, telemetry: Telemetry) -> None:
    key = cloud.vaults["vault.azure.net"].make_key("RSA")
    kek, storage = cloud.kek_parameters(key), cloud.storage_parameters(cloud.make_container())
    kms = open_kms(kek, storage, observers=["otel"])
    assert tree_of_a_read(kms, telemetry) == {
        "GET": "BlobClient.download_blob",
        "BlobClient.download_blob": "kms.load_record",
        "kms.load_record": "kms.get_dek",
        "POST": "KeyVaultClientBase.send_request",
        "KeyVaultClientBase.send_request": "kms.unwrap_dek",
        "kms.unwrap_dek": "kms.get_dek",
        "kms.get_dek": "GET /volumes",
        "GET /volumes": None,
    }
