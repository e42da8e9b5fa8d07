"""With IAM enforced: the policy of the documentation is enough, and each part of it is needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from kms_core import AccessDeniedError, DekNotFoundError, open_kms
from kms_core.testing import KekConformance, KekHarness, StorageConformance, StorageHarness
from tests.aws.cloud import Cloud
from tests.aws.test_conformance import OnServer
from tests.cli.running import run_command
from tests.docs.pages import DOCS, blocks
from tests.docs.upkeep import OPERATIONS, PAGE

KMS_ACTIONS = ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"]
S3_ACTIONS = ["s3:GetObject", "s3:PutObject"]
CONTEXT = {"dek_id": "id", "size": "32"}
NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}],
}


def allow(bucket: str, without: str = "", more: tuple[str, ...] = ()) -> Any:
    """The least policy of the documentation, and what a test takes away or adds.

    moto asks its policies whether a call of KMS is allowed on "*", whatever the key.
    """
    kms = [action for action in KMS_ACTIONS if action != without]
    s3 = [action for action in S3_ACTIONS if action != without]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": kms, "Resource": "*"},
            {"Effect": "Allow", "Action": [*s3, *more], "Resource": f"arn:aws:s3:::{bucket}/*"},
        ],
    }


@pytest.fixture
def key(enforced: Cloud) -> str:
    return enforced.make_key()


@pytest.fixture
def bucket(enforced: Cloud) -> str:
    return enforced.make_bucket()


def test_policy_of_the_documentation() -> None:
    [policy] = blocks(DOCS / "providers" / "aws.md", "json")
    actions = [statement["Action"] for statement in json.loads(policy)["Statement"]]
    assert actions == [KMS_ACTIONS, S3_ACTIONS]


def test_least_policy_is_enough(enforced: Cloud, key: str, bucket: str, calls: list[str]) -> None:
    user = enforced.make_user(allow(bucket))
    kek = {"backend": "aws", **user.parameters, "keyName": key}
    storage = {"backend": "aws", **user.parameters, "bucket": bucket}
    with open_kms(kek, storage) as kms:
        assert kms.describe_kek().kek_id == key
        dek = kms.get_dek("id", create=True)
    with open_kms(kek, storage) as kms:
        assert kms.get_dek("id", create=False) == dek
    assert set(calls) == {f"kms:{a[4:]}" for a in KMS_ACTIONS} | set(S3_ACTIONS)


@pytest.mark.rest
def test_plugin_check_shows_that_the_least_policy_is_enough(enforced: Cloud, bucket: str) -> None:
    user = enforced.make_user(allow(bucket))
    parameters = user.parameters | {"bucket": bucket}
    uri = f"storage://aws?{urlencode({k: str(v) for k, v in parameters.items()})}"
    done = run_command("plugin", "check", uri)
    assert done.code == 0, done.output + done.errors
    skipped = [line for line in done.output.splitlines() if "not allowed: " in line]
    assert {action for line in skipped for action in re.findall(r"s3:\w+", line)} == {
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    }
    assert "records of kms-check-" in done.errors


@pytest.mark.parametrize("action", KMS_ACTIONS)
def test_missing_permission_of_kms(enforced: Cloud, key: str, bucket: str, action: str) -> None:
    wrapped = enforced.open_kek(key).wrap_dek(bytes(32), CONTEXT)
    kek = enforced.make_user(allow(bucket, without=action)).open_kek(key)
    uses: Mapping[str, Callable[[], object]] = {
        "kms:DescribeKey": kek.describe_kek,
        "kms:Encrypt": lambda: kek.wrap_dek(bytes(32), CONTEXT),
        "kms:Decrypt": lambda: kek.unwrap_dek(wrapped, CONTEXT),
    }
    expect_denied(uses, action, key)


@pytest.mark.parametrize("action", S3_ACTIONS)
def test_missing_permission_of_s3(enforced: Cloud, key: str, bucket: str, action: str) -> None:
    revision = enforced.open_storage(bucket).create_record("id", b"data")
    storage = enforced.make_user(allow(bucket, without=action)).open_storage(bucket)
    uses: Mapping[str, Callable[[], object]] = {
        "s3:GetObject": lambda: storage.load_record("id"),
        "s3:PutObject": lambda: storage.create_record("new", b"data"),
    }
    expect_denied(uses, action, f"arn:aws:s3:::{bucket}/")
    with pytest.raises(AccessDeniedError, match=f"s3:ListBucket on arn:aws:s3:::{bucket}: "):
        list(storage.list_dek_ids(""))
    if action == "s3:PutObject":
        where = re.escape(f"s3:DeleteObject on arn:aws:s3:::{bucket}/id.json: ")
        with pytest.raises(AccessDeniedError, match=where):
            storage.delete_record("id", revision)
        with pytest.raises(DekNotFoundError):
            storage.load_record("missing")


POLICIES: Mapping[str, Any] = {
    operation: json.loads(text)
    for operation, text in zip(
        ("rewrap_deks", 'rewrap_deks(verify="kms")'), blocks(PAGE, "json"), strict=False
    )
}


def actions_of(policy: Any) -> list[str]:
    return [action for statement in policy["Statement"] for action in statement["Action"]]


def for_bucket(policy: Any, bucket: str, without: str) -> Any:
    """The policy for this bucket and any key; see `allow`."""
    kms, *others = (
        {**statement, "Action": [a for a in statement["Action"] if a != without]}
        for statement in policy["Statement"]
    )
    text = json.dumps({**policy, "Statement": [{**kms, "Resource": "*"}, *others]})
    return json.loads(text.replace("my-deks", bucket))


@pytest.mark.rest
@pytest.mark.parametrize(
    ("operation", "without"),
    [(name, action) for name, policy in POLICIES.items() for action in ["", *actions_of(policy)]],
)
def test_policy_of_who_rewraps(
    enforced: Cloud, key: str, bucket: str, operation: str, without: str
) -> None:
    """It is enough, and each of its lines is needed."""
    kek, storage = {"backend": "aws", "keyName": key}, {"backend": "aws", "bucket": bucket}
    with open_kms(kek | enforced.parameters, storage | enforced.parameters) as kms:
        dek = kms.create_dek("due")
    enforced.rotate(key)
    user = enforced.make_user(for_bucket(POLICIES[operation], bucket, without))
    with open_kms(kek | user.parameters, storage | user.parameters) as kms, ExitStack() as stack:
        if without:
            action = without.removesuffix("From").removesuffix("To")
            stack.enter_context(pytest.raises(AccessDeniedError, match=action))
        OPERATIONS[operation](kms)
        assert kms.count_old_records() == 0
    with open_kms(kek | enforced.parameters, storage | enforced.parameters) as kms:
        assert kms.get_dek("due") == dek


def expect_denied(uses: Mapping[str, Callable[[], object]], action: str, resource: str) -> None:
    """Only the use of the missing action fails, and names it and the resource."""
    for used, use in uses.items():
        if used == action:
            with pytest.raises(AccessDeniedError) as caught:
                use()
            assert f"{action} on {resource}" in str(caught.value)
            assert not caught.value.retryable
        else:
            use()


def test_wrong_secret(enforced: Cloud, key: str, bucket: str) -> None:
    wrong = enforced.as_client(enforced.access_key_id, "wrong" * 8)
    with pytest.raises(AccessDeniedError):
        wrong.open_kek(key).describe_kek()
    with pytest.raises(AccessDeniedError, match="correct accessKey "):
        wrong.open_storage(bucket).load_record("id")


def test_unknown_access_key(enforced: Cloud, key: str, bucket: str) -> None:
    unknown = enforced.as_client("AKIAUNKNOWNUNKNOWN00")
    with pytest.raises(AccessDeniedError):
        unknown.open_kek(key).describe_kek()
    with pytest.raises(AccessDeniedError, match="correct accessKeyID"):
        unknown.open_storage(bucket).load_record("id")


@pytest.mark.rest
class TestKekWithLeastPolicy(OnServer, KekConformance):
    """With what rewrapping inside the KMS needs besides."""

    server = "enforced"
    faults: ClassVar = {
        "test_other_kek_under_this_name": "AccessDeniedException instead of IncorrectKeyException",
        "test_every_byte": "AccessDeniedException if the key's id in the ciphertext was altered",
        "test_ambiguous_contexts": "it joins a context's keys and values with nothing between",
    }
    chances: ClassVar = {
        "test_other_length[without its first byte]": "AccessDeniedException, as above",
    }

    @pytest.fixture
    def harness(self, cloud: Cloud) -> KekHarness:
        policy = allow("no-bucket")
        policy["Statement"][0]["Action"] += ["kms:ReEncryptFrom", "kms:ReEncryptTo"]
        user, key, other = cloud.make_user(policy), cloud.make_key(), cloud.make_key()
        return KekHarness(
            open=lambda: user.open_kek(key),
            open_other=lambda: user.open_kek(other),
            open_forbidden=lambda: cloud.make_user(NOTHING).open_kek(key),
            rotate=lambda: cloud.rotate(key),
            secrets=[user.access_key],
        )


@pytest.mark.rest
class TestStorageWithLeastPolicy(OnServer, StorageConformance):
    """With what listing, counting and deleting need besides, which is denied in the test above."""

    server = "enforced"
    page_size = 100  # MOTO_S3_DEFAULT_MAX_KEYS

    @pytest.fixture
    def harness(self, cloud: Cloud, bucket: str) -> StorageHarness:
        policy = allow(bucket, more=("s3:DeleteObject",))
        listing = {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketVersions"]}
        policy["Statement"].append(listing | {"Resource": f"arn:aws:s3:::{bucket}"})
        user = cloud.make_user(policy)
        return StorageHarness(
            open=lambda: user.open_storage(bucket),
            open_forbidden=lambda: cloud.make_user(NOTHING).open_storage(bucket),
            secrets=[user.access_key],
        )
