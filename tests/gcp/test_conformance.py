"""The kit of kms_core.testing, on our own test server for Cloud KMS and on fake-gcs-server."""

from __future__ import annotations

from typing import ClassVar

import pytest

from kms_core.testing import KekConformance, KekHarness, StorageConformance, StorageHarness
from kms_gcp.kek import GcpKek
from tests.fakes.gcp.kms_server import Algorithm, Level, State, seal
from tests.gcp.cloud import HANGING, Cloud


class GcpKekConformance(KekConformance):
    wired: ClassVar[bool] = False
    """Whether the wire fails too: our client is the same for every level."""

    level = Level.SOFTWARE
    algorithm = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION

    @pytest.fixture
    def harness(self, cloud: Cloud) -> KekHarness:
        key, other = (cloud.make_key(level=self.level, algorithm=self.algorithm) for _ in range(2))
        [version] = cloud.key(key).versions

        def open_at(url: str) -> GcpKek:
            return cloud.open_kek(key, endpoint=url, **HANGING)

        return KekHarness(
            open=lambda: cloud.open_kek(key),
            open_other=lambda: cloud.open_kek(other),
            open_missing=lambda: cloud.open_kek("missing"),
            open_forbidden=lambda: cloud.as_nobody().open_kek(key),
            endpoint=cloud.kms.endpoint,
            open_at=open_at if self.wired else None,
            disable=lambda: setattr(version, "state", State.DISABLED),
            rotate=cloud.key(key).rotate,
            wrap_foreign=lambda data: (seal(1, version.secret, data), "1"),
            secrets=[cloud.account.private_key],
        )


class TestSoftwareKek(GcpKekConformance):
    wired = True


@pytest.mark.rest
class TestHsmKek(GcpKekConformance):
    level = Level.HSM


@pytest.mark.rest
class TestExternalKek(GcpKekConformance):
    level = Level.EXTERNAL_VPC
    algorithm = Algorithm.EXTERNAL_SYMMETRIC_ENCRYPTION


class TestStorage(StorageConformance):
    race_rounds = 4  # the server is no store of anybody's

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
            keep_old_records=lambda: cloud.front.keep_versions(bucket),
            plant_object=lambda name, data: put(bucket, name, data),
            secrets=[cloud.account.private_key],
        )
