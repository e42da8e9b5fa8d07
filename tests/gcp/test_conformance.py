"""The kit of kms_core.testing, on our own test server for Cloud KMS and on fake-gcs-server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from kms_core.testing import KekConformance, StorageConformance
from kms_gcp.kek import GcpKek
from kms_gcp.storage import GcpStorage
from tests.fakes.gcp.kms_server import Algorithm, Level, State
from tests.gcp.cloud import Cloud

AT_ONCE = {"connectTimeout": 0.25, "readTimeout": 0.25, "deadline": 0.5}


class GcpKekConformance(KekConformance):
    level = Level.SOFTWARE
    algorithm = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION

    @pytest.fixture
    def make_key(self, cloud: Cloud) -> Callable[[], str]:
        return lambda: cloud.make_key(level=self.level, algorithm=self.algorithm)

    @pytest.fixture
    def key(self, make_key: Callable[[], str]) -> str:
        return make_key()

    @pytest.fixture
    def secrets(self, cloud: Cloud) -> Sequence[str]:
        return [cloud.account.private_key]

    @pytest.fixture
    def open_kek(self, cloud: Cloud, key: str) -> Callable[[], GcpKek]:
        return lambda: cloud.open_kek(key)

    @pytest.fixture
    def open_other_kek(self, cloud: Cloud, make_key: Callable[[], str]) -> Callable[[], GcpKek]:
        other = make_key()
        return lambda: cloud.open_kek(other)

    @pytest.fixture
    def open_missing_kek(self, cloud: Cloud) -> Callable[[], GcpKek]:
        return lambda: cloud.open_kek("missing")

    @pytest.fixture
    def open_unreachable(self, cloud: Cloud, key: str, closed_port: int) -> Callable[[], GcpKek]:
        return lambda: cloud.open_kek(key, endpoint=f"https://localhost:{closed_port}", **AT_ONCE)

    @pytest.fixture
    def open_forbidden(self, cloud: Cloud, key: str) -> Callable[[], GcpKek]:
        return lambda: cloud.as_nobody().open_kek(key)

    @pytest.fixture
    def disable_kek(self, cloud: Cloud, key: str) -> Callable[[], object]:
        [version] = cloud.key(key).versions
        return lambda: setattr(version, "state", State.DISABLED)

    @pytest.fixture
    def rotate_kek(self, cloud: Cloud, key: str) -> Callable[[], object]:
        return cloud.key(key).rotate


class TestSoftwareKek(GcpKekConformance):
    pass


class TestHsmKek(GcpKekConformance):
    level = Level.HSM


class TestExternalKek(GcpKekConformance):
    level = Level.EXTERNAL_VPC
    algorithm = Algorithm.EXTERNAL_SYMMETRIC_ENCRYPTION


class TestStorage(StorageConformance):
    @pytest.fixture
    def bucket(self, cloud: Cloud) -> str:
        return cloud.make_bucket()

    @pytest.fixture
    def secrets(self, cloud: Cloud) -> Sequence[str]:
        return [cloud.account.private_key]

    @pytest.fixture
    def open_storage(self, cloud: Cloud, bucket: str) -> Callable[[], GcpStorage]:
        return lambda: cloud.open_storage(bucket)

    @pytest.fixture
    def open_unreachable(
        self, cloud: Cloud, bucket: str, closed_port: int
    ) -> Callable[[], GcpStorage]:
        endpoint = f"http://127.0.0.1:{closed_port}"
        return lambda: cloud.open_storage(bucket, endpoint=endpoint, **AT_ONCE)

    @pytest.fixture
    def open_forbidden(self, cloud: Cloud, bucket: str) -> Callable[[], GcpStorage]:
        return lambda: cloud.as_nobody().open_storage(bucket)

    @pytest.fixture
    def plant_record(self, cloud: Cloud, bucket: str) -> Callable[[str, bytes], object]:
        return lambda dek_id, data: cloud.front.put(bucket, f"{dek_id}.json", data)
