"""The kit of kms_core.testing, each class against two servers."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pytest

from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from kms_core.testing import (
    KekConformance,
    KekHarness,
    StorageConformance,
    StorageHarness,
)
from tests.aws.cloud import Cloud
from tests.aws.faults import HANGING
from tests.fakes.aws.servers import ACCESS_KEY


class OnServer:
    """Names the server, and the tests that fail because of it."""

    server: ClassVar[str]
    faults: ClassVar[dict[str, str]] = {}
    chances: ClassVar[dict[str, str]] = {}
    """Faults that show only now and then."""

    rotates: ClassVar[bool] = True
    wired: ClassVar[bool] = True
    """Whether the wire fails too: our client is the same on every server."""

    @pytest.fixture
    def cloud(self, request: pytest.FixtureRequest) -> Cloud:
        names = {request.node.name, request.node.originalname}
        for faults, strict in ((self.faults, True), (self.chances, False)):
            for name in names & faults.keys():
                reason = f"{self.server}: {faults[name]}"
                request.node.add_marker(pytest.mark.xfail(reason=reason, strict=strict))
        server: Cloud = request.getfixturevalue(self.server)
        return server


class AwsKekConformance(OnServer, KekConformance):
    @pytest.fixture
    def harness(self, cloud: Cloud) -> KekHarness:
        key, other = cloud.make_key(), cloud.make_key()
        kms = cloud.admin("kms")

        def open_at(url: str) -> AwsKek:
            return cloud.open_kek(key, endpoint=url, **HANGING)

        return KekHarness(
            open=lambda: cloud.open_kek(key),
            open_other=lambda: cloud.open_kek(other),
            open_missing=lambda: cloud.open_kek("00000000-0000-4000-8000-000000000000"),
            endpoint=cloud.endpoint,
            open_at=open_at if self.wired else None,
            attempts=int(HANGING["maxAttempts"]),
            disable=lambda: kms.disable_key(KeyId=key.rpartition("/")[2]),
            rotate=(lambda: cloud.rotate(key)) if self.rotates else None,
            wrap_foreign=lambda data: (
                kms.encrypt(KeyId=key, Plaintext=data)["CiphertextBlob"],
                "",
            ),
            secrets=[ACCESS_KEY],
        )


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


@pytest.mark.rest
class TestKekOnMiniStack(AwsKekConformance):
    server = "ministack"
    wired = False
    rotates = False
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
                "test_altered_foreign",
            ),
            "an altered ciphertext decrypts to an altered plaintext",
        ),
        "test_other_kek_under_this_name": "it decrypts under another key, to garbage",
        "test_rewrap_of_the_newest": "it has no ReEncrypt",
        "test_rewrap_under_another_context": "likewise",
    }


class AwsStorageConformance(OnServer, StorageConformance):
    race_rounds = 4  # or the servers, which are no store of anybody's, would take minutes

    @pytest.fixture
    def harness(self, cloud: Cloud) -> StorageHarness:
        bucket, s3 = cloud.make_bucket(), cloud.admin("s3")
        put = partial(s3.put_object, Bucket=bucket)

        def open_at(url: str) -> AwsStorage:
            return cloud.open_storage(bucket, endpoint=url, **HANGING)

        return StorageHarness(
            open=lambda: cloud.open_storage(bucket),
            open_missing=lambda: cloud.open_storage(f"not-{bucket}"),
            endpoint=cloud.endpoint,
            open_at=open_at if self.wired else None,
            attempts=int(HANGING["maxAttempts"]),
            plant_name=lambda name: put(Key=name, Body=b"foreign"),
            plant_record=lambda dek_id, data: put(Key=f"{dek_id}.json", Body=data),
            keep_old_records=lambda: cloud.keep_versions(bucket),
            plant_object=lambda name, data: put(Key=name, Body=data),
            secrets=[ACCESS_KEY],
        )


class TestStorageOnMoto(AwsStorageConformance):
    server = "moto"
    page_size = 100  # MOTO_S3_DEFAULT_MAX_KEYS


@pytest.mark.rest
class TestStorageOnMiniStack(AwsStorageConformance):
    server = "ministack"
    wired = False
    chances: ClassVar = {
        "test_racing_deletes": "If-Match on an object that is gone: 204 instead of 404 NoSuchKey",
    }


@pytest.mark.rest
class TestStorageOnVersitygw(AwsStorageConformance):
    server = "versitygw"
    wired = False
    chances: ClassVar = {
        "test_racing_deletes": "If-Match of DELETE is compared, but not atomically",
        "test_deletes_race_replaces": "likewise",
    }
