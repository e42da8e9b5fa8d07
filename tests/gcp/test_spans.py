"""One tree for each call: the program's span, those of kms-core, and below them the SDK's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.cloud.storage import _opentelemetry_tracing
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient

from kms_core import open_kms
from tests.gcp.cloud import Cloud
from tests.spans import Telemetry, run_sdk, tree_of_a_read


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    # As ENABLE_GCS_PYTHON_CLIENT_OTEL_TRACES does before the SDK is imported.
    monkeypatch.setattr(_opentelemetry_tracing, "enable_otel_traces", True)
    instrumentor = GrpcInstrumentorClient()  # type: ignore[no-untyped-call]  # it lacks types
    with run_sdk() as telemetry:
        instrumentor.instrument()
        yield telemetry
        instrumentor.uninstrument()


def test_one_tree(cloud: Cloud, name: str, bucket: str, telemetry: Telemetry) -> None:
    kek = {"backend": "gcp", **cloud.kek_parameters(name)}
    storage = {"backend": "gcp", **cloud.storage_parameters(bucket)}
    kms = open_kms(kek, storage, observers=["otel"])
    assert tree_of_a_read(kms, telemetry) == {
        "Storage.RawDownload/consume": "Storage.Blob.downloadToFile",
        "Storage.Blob.downloadToFile": "kms.load_record",
        "kms.load_record": "kms.get_dek",
        "/google.cloud.kms.v1.KeyManagementService/Decrypt": "kms.unwrap_dek",
        "kms.unwrap_dek": "kms.get_dek",
        "kms.get_dek": "GET /volumes",
        "GET /volumes": None,
    }
