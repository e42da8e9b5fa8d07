"""The kit of kms_core.testing, each class against two servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from kms_core.testing import FaultyWire, KekConformance, StorageConformance
from tests.aws.cloud import Cloud
from tests.aws.faults import PATIENT, SOME_HANG
from tests.fakes.aws.servers import ACCESS_KEY


def through(wire: FaultyWire, cloud: Cloud) -> str:
    """The endpoint of a client behind the wire."""
    where = urlsplit(cloud.endpoint)
    return wire.to(where.hostname or "", where.port or 0)


class OnServer:
    """Names the server, and the tests that fail because of it."""

    server: ClassVar[str]
    faults: ClassVar[dict[str, str]] = {}
    chances: ClassVar[dict[str, str]] = {}
    """Faults that show only now and then."""

    @pytest.fixture
    def cloud(self, request: pytest.FixtureRequest) -> Cloud:
        names = {request.node.name, request.node.originalname}
        for faults, strict in ((self.faults, True), (self.chances, False)):
            for name in names & faults.keys():
                reason = f"{self.server}: {faults[name]}"
                request.node.add_marker(pytest.mark.xfail(reason=reason, strict=strict))
        server: Cloud = request.getfixturevalue(self.server)
        return server

    @pytest.fixture
    def secrets(self) -> Sequence[str]:
        return [ACCESS_KEY]


class AwsKekConformance(OnServer, KekConformance):
    @pytest.fixture
    def key(self, cloud: Cloud) -> str:
        return cloud.make_key()

    @pytest.fixture
    def open_kek(self, cloud: Cloud, key: str) -> Callable[[], AwsKek]:
        return lambda: cloud.open_kek(key)

    @pytest.fixture
    def open_other_kek(self, cloud: Cloud) -> Callable[[], AwsKek]:
        key = cloud.make_key()
        return lambda: cloud.open_kek(key)

    @pytest.fixture
    def open_missing_kek(self, cloud: Cloud) -> Callable[[], AwsKek]:
        return lambda: cloud.open_kek("00000000-0000-4000-8000-000000000000")

    @pytest.fixture
    def open_unreachable(self, cloud: Cloud, key: str, closed_port: int) -> Callable[[], AwsKek]:
        return lambda: cloud.open_kek(key, endpoint=f"http://127.0.0.1:{closed_port}", **PATIENT)

    @pytest.fixture
    def open_through(self, cloud: Cloud, key: str, wire: FaultyWire) -> Callable[[], AwsKek]:
        endpoint = through(wire, cloud)
        return lambda: cloud.open_kek(key, endpoint=endpoint, **SOME_HANG)

    @pytest.fixture
    def disable_kek(self, cloud: Cloud, key: str) -> Callable[[], object]:
        return lambda: cloud.admin("kms").disable_key(KeyId=key.rpartition("/")[2])


class TestKekOnMoto(AwsKekConformance):
    server = "moto"
    faults: ClassVar = {
        "test_disabled_kek": "a disabled key still encrypts",
        "test_other_kek_under_this_name": "AccessDeniedException instead of IncorrectKeyException",
        "test_ambiguous_contexts": "it joins a context's keys and values with nothing between",
        "test_every_byte": "AccessDeniedException if the key's id in the ciphertext was altered",
    }
    chances: ClassVar = {
        "test_other_length[without its first byte]": "AccessDeniedException, as above",
    }

    @pytest.fixture
    def rotate_kek(self, cloud: Cloud, key: str) -> Callable[[], object]:
        return lambda: cloud.admin("kms").rotate_key_on_demand(KeyId=key)


class TestKekOnMiniStack(AwsKekConformance):
    server = "ministack"
    faults: ClassVar = {
        **dict.fromkeys(
            (
                "test_every_byte",
                "test_other_length[without its last byte]",
                "test_other_length[with a byte more]",
                "test_other_length[with itself behind]",
                "test_errors_say_where",
                "test_errors_show_no_secret",
                "test_errors_carry_no_secret",
                "test_logs_show_no_secret",
            ),
            "an altered ciphertext decrypts to an altered plaintext",
        ),
        "test_other_kek_under_this_name": "it decrypts under another key, to garbage",
    }


class AwsStorageConformance(OnServer, StorageConformance):
    @pytest.fixture
    def bucket(self, cloud: Cloud) -> str:
        return cloud.make_bucket()

    @pytest.fixture
    def open_storage(self, cloud: Cloud, bucket: str) -> Callable[[], AwsStorage]:
        return lambda: cloud.open_storage(bucket)

    @pytest.fixture
    def open_unreachable(
        self, cloud: Cloud, bucket: str, closed_port: int
    ) -> Callable[[], AwsStorage]:
        endpoint = f"http://127.0.0.1:{closed_port}"
        return lambda: cloud.open_storage(bucket, endpoint=endpoint, **PATIENT)

    @pytest.fixture
    def open_through(self, cloud: Cloud, bucket: str, wire: FaultyWire) -> Callable[[], AwsStorage]:
        endpoint = through(wire, cloud)
        return lambda: cloud.open_storage(bucket, endpoint=endpoint, **SOME_HANG)

    @pytest.fixture
    def plant_name(self, cloud: Cloud, bucket: str) -> Callable[[str], object]:
        s3 = cloud.admin("s3")
        return lambda name: s3.put_object(Bucket=bucket, Key=name, Body=b"foreign")

    @pytest.fixture
    def plant_record(self, cloud: Cloud, bucket: str) -> Callable[[str, bytes], object]:
        s3 = cloud.admin("s3")
        return lambda dek_id, data: s3.put_object(Bucket=bucket, Key=f"{dek_id}.json", Body=data)


class TestStorageOnMoto(AwsStorageConformance):
    server = "moto"
    page_size = 100  # MOTO_S3_DEFAULT_MAX_KEYS


class TestStorageOnMiniStack(AwsStorageConformance):
    server = "ministack"
    chances: ClassVar = {
        "test_racing_deletes": "If-Match on an object that is gone: 204 instead of 404 NoSuchKey",
    }


class TestStorageOnVersitygw(AwsStorageConformance):
    server = "versitygw"
    chances: ClassVar = {
        "test_racing_deletes": "If-Match of DELETE is compared, but not atomically"
    }
