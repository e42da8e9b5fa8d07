"""One tree for each call: the program's span, those of kms-core, and below them the SDK's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

import kms_core
from tests.aws.cloud import Cloud
from tests.spans import Telemetry, run_sdk, tree_of_a_read


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
    kms = kms_core.open_kms(kek, storage, observers=["otel"])
    assert tree_of_a_read(kms, telemetry) == {
        "S3.GetObject": "kms.load_record",
        "kms.load_record": "kms.get_dek",
        "KMS.Decrypt": "kms.unwrap_dek",
        "kms.unwrap_dek": "kms.get_dek",
        "kms.get_dek": "GET /volumes",
        "GET /volumes": None,
    }
