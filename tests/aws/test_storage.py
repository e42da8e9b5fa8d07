"""``storage://aws``: keys, tags, buckets, and stores that do not keep the rules."""

from __future__ import annotations

from typing import Any

import pytest

from kms_core import (
    ConfigError,
    DekExistsError,
    KmsError,
    OperationError,
    RecordError,
    open_kms,
)
from kms_core.backend import MAX_RECORD_SIZE
from kms_core.testing import STRANGE_IDS
from tests.aws.cloud import REGION, Cloud, start_proxy
from tests.fakes.aws.faults import s3_error
from tests.fakes.proxy import Exchange


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    return cloud.make_bucket()


def keys(cloud: Cloud, bucket: str) -> set[str]:
    reply = cloud.admin("s3").list_objects_v2(Bucket=bucket)
    return {found["Key"] for found in reply.get("Contents", ())}


def test_objects_of_others_are_not_listed(cloud: Cloud, bucket: str) -> None:
    storage = cloud.open_storage(bucket)
    storage.create_record("id", b"data")
    cloud.open_storage(bucket, prefix="folder").create_record("inside", b"data")
    cloud.admin("s3").put_object(Bucket=bucket, Key="note.txt", Body=b"")
    assert list(storage.list_dek_ids("")) == ["id"]


def test_prefix(cloud: Cloud, bucket: str) -> None:
    one = cloud.open_storage(bucket, prefix="my/deks")
    one.create_record("id", b"one")
    cloud.open_storage(bucket, prefix="my/deks-2").create_record("id", b"two")
    assert one.load_record("id").data == b"one"
    assert list(one.list_dek_ids("")) == ["id"]
    assert one.describe_storage().location == f"s3://{bucket}/my/deks/ at {cloud.endpoint}"
    records = {key for key in keys(cloud, bucket) if key.endswith(".json")}
    assert records == {"my/deks/id.json", "my/deks-2/id.json"}


def test_object(cloud: Cloud, bucket: str) -> None:
    cloud.open_storage(bucket).create_record("id", b"data")
    found = cloud.admin("s3").head_object(Bucket=bucket, Key="id.json", ChecksumMode="ENABLED")
    assert found["ContentType"] == "application/json"
    if cloud.server.name == "MiniStack":  # moto keeps no checksum that it did not make
        assert "ChecksumSHA256" in found


def test_old_records(cloud: Cloud, bucket: str) -> None:
    """Versions that are not the latest: those behind a delete marker, and no marker."""
    folder, other = (cloud.open_storage(bucket, prefix=prefix) for prefix in ("one", "one-2"))
    revision = folder.create_record("a", b"data")
    cloud.keep_versions(bucket)
    folder.delete_record("a", folder.replace_record("a", b"more", revision))
    other.delete_record("a", other.create_record("a", b"data"))
    assert [folder.count_old_records(prefix) for prefix in ("", "a", "b")] == [2, 2, 0]


def test_old_records_of_many_pages(moto: Cloud) -> None:
    """moto lists a hundred at a time, and several versions of one object."""
    bucket = moto.make_bucket()
    moto.keep_versions(bucket)
    put = moto.admin("s3").put_object
    for number in range(205):
        put(Bucket=bucket, Key=f"id-{number % 3}.json", Body=str(number).encode())
    assert moto.open_storage(bucket).count_old_records("id-") == 202


def test_store_that_tells_of_no_versions(moto: Cloud) -> None:
    with start_proxy(moto) as proxy:
        storage = proxy.cloud.open_storage(moto.make_bucket())
        proxy.spoil("GET", s3_error("NotImplemented", 501))
        with pytest.raises(OperationError, match="does not tell which old versions it keeps"):
            storage.count_old_records("")


def test_tags(cloud: Cloud, bucket: str) -> None:
    def tags(key: str) -> Any:
        return cloud.admin("s3").get_object_tagging(Bucket=bucket, Key=key)["TagSet"]

    cloud.open_storage(bucket).create_record("plain", b"data")
    assert tags("plain.json") == []
    storage = cloud.open_storage(bucket, tags="team=storage%2Fkeys%20%2B%201&stage=test")
    revision = storage.create_record("id", b"data")
    expected = [
        {"Key": "stage", "Value": "test"},
        {"Key": "team", "Value": "storage/keys + 1"},
    ]
    assert sorted(tags("id.json"), key=lambda tag: tag["Key"]) == expected
    storage.replace_record("id", b"more", revision)
    assert sorted(tags("id.json"), key=lambda tag: tag["Key"]) == expected


def test_store_that_keeps_keys_as_files(rclone: Cloud) -> None:
    storage = rclone.open_storage(rclone.make_bucket(), allowUnconditionalCreate=True)
    for dek_id in STRANGE_IDS:
        storage.create_record(dek_id, dek_id.encode())
    for dek_id in STRANGE_IDS:
        assert storage.load_record(dek_id).data == dek_id.encode()
    assert sorted(storage.list_dek_ids("")) == sorted(STRANGE_IDS)


def test_missing_bucket(cloud: Cloud) -> None:
    storage = cloud.open_storage("no-such-bucket-of-anybody")
    for use in (
        lambda: storage.load_record("id"),
        lambda: storage.create_record("id", b"data"),
        lambda: list(storage.list_dek_ids("")),
    ):
        with pytest.raises(
            ConfigError, match="no such bucket; correct bucket, or create it by createBucket=true"
        ):
            use()


@pytest.mark.parametrize("region", ["us-east-1", REGION])
def test_create_bucket(cloud: Cloud, bucket: str, region: str) -> None:
    new, more = f"new-{bucket}", {"region": region, "createBucket": "true"}
    for _ in range(2):
        cloud.open_storage(new, **more)
    found = cloud.admin("s3", region).get_bucket_location(Bucket=new)["LocationConstraint"]
    assert found == (None if region == "us-east-1" else region)
    storage = cloud.open_storage(new, **more)
    storage.create_record("id", b"data")
    assert cloud.open_storage(new, **more).load_record("id").data == b"data"


def test_bucket_of_somebody_else(moto: Cloud) -> None:
    bucket = moto.make_bucket()
    trust = '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}'
    role = moto.admin("sts").assume_role(
        RoleArn="arn:aws:iam::222222222222:role/other", RoleSessionName="session", Policy=trust
    )
    found = role["Credentials"]
    other = moto.as_client(found["AccessKeyId"], found["SecretAccessKey"])
    with pytest.raises(ConfigError, match="somebody else's bucket"):
        other.open_storage(bucket, createBucket=True, sessionToken=found["SessionToken"])


def test_expected_bucket_owner(moto: Cloud) -> None:
    """Neither server compares it, so this sees to it that S3 gets it with every call."""
    owners: list[str | None] = []

    def note(exchange: Exchange) -> None:
        owners.append(exchange.headers["x-amz-expected-bucket-owner"])
        exchange.answer(exchange.forward())

    bucket, owner = moto.make_bucket(), "123456789012"
    with start_proxy(moto) as proxy:
        for call in ("GET", "PUT", "DELETE"):
            proxy.spoil(call, note)
        storage = proxy.cloud.open_storage(bucket, expectedBucketOwner=owner)
        revision = storage.create_record("id", b"data")
        revision = storage.replace_record("id", b"more", revision)
        assert list(storage.list_dek_ids("")) == ["id"]
        storage.delete_record("id", revision)
        assert set(owners) == {owner}
        assert len(owners) == len(proxy.seen) > 5


def test_oversized_object(cloud: Cloud, bucket: str) -> None:
    kek = {"backend": "aws", **cloud.parameters, "keyName": cloud.make_key()}
    storage = {"backend": "aws", **cloud.parameters, "bucket": bucket}
    body = bytes(MAX_RECORD_SIZE + 1)
    cloud.admin("s3").put_object(Bucket=bucket, Key="id.json", Body=body)
    with open_kms(kek, storage) as kms, pytest.raises(RecordError):
        kms.get_dek("id", create=True)


def test_record_is_whole_in_either_direction(cloud: Cloud, bucket: str) -> None:
    storage = cloud.open_storage(bucket)
    for size in (0, 1, MAX_RECORD_SIZE):
        storage.create_record(f"id-{size}", bytes(size))
        assert storage.load_record(f"id-{size}").data == bytes(size)


def test_create_leaves_what_is_there(cloud: Cloud, bucket: str) -> None:
    cloud.open_storage(bucket).create_record("id", b"first")
    with pytest.raises(DekExistsError) as caught:
        cloud.open_storage(bucket).create_record("id", b"second")
    assert isinstance(caught.value, KmsError)
    assert cloud.open_storage(bucket).load_record("id").data == b"first"
