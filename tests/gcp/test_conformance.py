"""The kit of kms_core.testing, on our own test server for Cloud KMS and on fake-gcs-server."""

from __future__ import annotations

import pytest

from kms_core.testing import KekConformance, KekHarness, StorageConformance, StorageHarness
from tests.fakes.gcp.kms_server import Algorithm, Level, State
from tests.gcp.cloud import HANGING, Cloud


class GcpKekConformance(KekConformance):
    level = Level.SOFTWARE
    algorithm = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION

    @pytest.fixture
    def harness(self, cloud: Cloud) -> KekHarness:
        key, other = (cloud.make_key(level=self.level, algorithm=self.algorithm) for _ in range(2))
        [version] = cloud.key(key).versions
        return KekHarness(
            open=lambda: cloud.open_kek(key),
            open_other=lambda: cloud.open_kek(other),
            open_missing=lambda: cloud.open_kek("missing"),
            open_forbidden=lambda: cloud.as_nobody().open_kek(key),
            endpoint=cloud.kms.endpoint,
            open_at=lambda url: cloud.open_kek(key, endpoint=url, **HANGING),
            disable=lambda: setattr(version, "state", State.DISABLED),
            rotate=cloud.key(key).rotate,
            secrets=[cloud.account.private_key],
        )


class TestSoftwareKek(GcpKekConformance):
    pass


class TestHsmKek(GcpKekConformance):
    level = Level.HSM


class TestExternalKek(GcpKekConformance):
    level = Level.EXTERNAL_VPC
    algorithm = Algorithm.EXTERNAL_SYMMETRIC_ENCRYPTION


class TestStorage(StorageConformance):
    @pytest.fixture
    def harness(self, cloud: Cloud) -> StorageHarness:
        bucket = cloud.make_bucket()
        put = cloud.front.put
        return StorageHarness(
            open=lambda: cloud.open_storage(bucket),
            open_forbidden=lambda: cloud.as_nobody().open_storage(bucket),
            endpoint=cloud.front.url,
            open_at=lambda url: cloud.open_storage(bucket, endpoint=url, **HANGING),
            plant_record=lambda dek_id, data: put(bucket, f"{dek_id}.json", data),
            plant_name=lambda name: put(bucket, name, b"foreign"),
            secrets=[cloud.account.private_key],
        )
