"""One tree for each call: the program's span, those of kms-core, and below them the SDK's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

import kms_core
from tests.aws.cloud import Cloud
from tests.spans import Telemetry, run_sdk


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    instrumentor = BotocoreInstrumentor()  # type: ignore[no-untyped-call]  # it lacks types
    with run_sdk() as telemetry:
        instrumentor.instrument()
        yield telemetry
        instrumentor.uninstrument()


def test_one_tree(moto: Cloud, telemetry: Telemetry) -> None:
    kek = {"backend": "aws", "keyName": moto.make_key(), **moto.parameters}
    storage = {"backend": "aws", "bucket": moto.make_bucket(), **moto.parameters}
    with kms_core.open_kms(kek, storage, observers=["otel"]) as kms:
        kms.create_dek("volume-42")
        telemetry.exporter.clear()
        with trace.get_tracer("an application").start_as_current_span("GET /volumes"):
            kms.get_dek("volume-42")
        tree = telemetry.tree()
    assert tree == {
        "S3.GetObject": "kms.load_record",
        "kms.load_record": "kms.get_dek",
        "KMS.Decrypt": "kms.unwrap_dek",
        "kms.unwrap_dek": "kms.get_dek",
        "kms.get_dek": "GET /volumes",
        "GET /volumes": None,
    }
