"""``kms doctor`` on AWS and on stores that speak S3: what works, and what only it finds."""

from __future__ import annotations

import re
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from kms_aws.config import AwsStorageConfig
from kms_aws.risks import find_bucket_risks
from kms_core._doctor import stores
from kms_core._doctor.examination import examine
from kms_core._doctor.report import Report
from kms_core.cli.doctor import _show, _summary
from tests.aws.cloud import Cloud, FaultProxy
from tests.aws.test_mistakes import setup
from tests.broken import compare
from tests.captures import compare as compare_picture
from tests.fakes.aws.faults import kms_error, s3_error
from tests.mistakes import Setup, tell_permissions


def codes(set_up: Setup) -> list[str]:
    return [row.code for row in set_up.examined().rows if row.code]


def keys(cloud: Cloud, bucket: str) -> list[str]:
    listed: dict[str, Any] = cloud.admin("s3").list_objects_v2(Bucket=bucket)
    return [found["Key"] for found in listed.get("Contents", [])]


def test_what_works_has_no_finding_and_leaves_nothing(cloud: Cloud) -> None:
    """But the object by which the store's conditions were probed."""
    aws = setup(cloud)
    bucket = str(aws.storage["bucket"])
    cloud.keep_versions(bucket)
    report = aws.examined()
    assert report.works
    assert [row for row in report.rows if row.outcome != "ok"] == []
    assert tell_permissions(report) == {
        "kms://aws": "kms:DescribeKey, kms:Encrypt, kms:Decrypt",
        "storage://aws": "s3:GetObject, s3:PutObject; beyond what get_dek needs: s3:ListBucket, "
        "s3:DeleteObject",
    }
    left = keys(cloud, bucket)
    assert [key for key in left if not key.startswith("kms-core.conditional-write-probe-")] == []


def test_picture_of_doctor(
    moto: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """Of an alias, a bucket without versions, and who may do too much."""
    monkeypatch.setattr(stores, "_ROUNDS", 1)
    made = setup(moto)
    key = str(made.kek["keyName"])
    alias = f"alias/{token_hex(4)}"
    moto.admin("kms").create_alias(AliasName=alias, TargetKeyId=key)
    report = Report(_show)
    examine(made.but(kek={"keyName": alias}), "/etc/kms.toml", report)
    told = f"$ kms doctor\n{capsys.readouterr().out}{_summary(report)}"
    names = {alias: "alias/deks", key: _KEY, str(made.storage["bucket"]): "my-deks"}
    names |= {moto.endpoint: "http://127.0.0.1:5000", moto.endpoint.rpartition(":")[2]: "5000"}
    for name, shown in names.items():
        told = told.replace(name, shown)
    told = re.sub(r"[0-9]+ s (ahead of|behind)", "0 s behind", told)
    told = re.sub(r"version [0-9a-f]{64}", "version b5799d2e…", told)
    told = re.sub(r"kms-aws \S+", "kms-aws 1.0.0", told)
    compare_picture(request.config, "doctor", _TITLE, told)


_KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
_TITLE = "kms doctor: each step with what it saw, and a finding with its cause and cure"


def test_risks(moto: Cloud) -> None:
    aws = setup(moto)
    moto.admin("kms").create_alias(AliasName="alias/risky", TargetKeyId=aws.kek["keyName"])
    risky = aws.but(
        kek={"keyName": "alias/risky"}, storage={"allowUnconditionalCreate": True}
    ).examined()
    found = {row.code: row.cure for row in risky.rows if row.code}
    assert {*found} == {"KEK-ALIAS", "STORE-UNVERSIONED", "STORE-UNCONDITIONAL"}
    assert str(aws.kek["keyName"]) in found["KEK-ALIAS"]
    assert risky.works


def test_store_that_ignores_conditions(
    rclone: Cloud, moto: Cloud, request: pytest.FixtureRequest
) -> None:
    aws = setup(moto).but(storage=rclone.parameters | {"bucket": rclone.make_bucket()})
    [failed] = [row for row in aws.examined().rows if row.outcome == "failed"]
    assert failed.code == "STORE-CONFIG"
    assert "If-None-Match" in failed.text
    compare(request.node, failed)


@pytest.mark.parametrize(
    ("parameters", "reply", "expected"),
    [
        ({"expectedBucketOwner": "111122223333"}, {"VersionId": "1"}, []),
        ({}, {"VersionId": "1"}, ["STORE-ANY-OWNER"]),
        ({"endpoint": "https://s3.example"}, {"VersionId": "null"}, ["STORE-UNVERSIONED"]),
        ({"endpoint": "https://s3.example"}, {"server": "VERSITYGW"}, ["STORE-KNOWN-TO-RACE"]),
        ({"endpoint": "https://s3.example"}, {"server": "AmazonS3"}, []),
    ],
)
def test_what_an_answer_tells(
    parameters: dict[str, object], reply: dict[str, str], expected: list[str]
) -> None:
    place = {"region": "eu-central-1", "bucket": "deks"}
    config = AwsStorageConfig.from_parameters(place | parameters)
    headers = {"HTTPHeaders": {"server": reply.get("server")}}
    told = {"VersionId": reply.get("VersionId", "1"), "ResponseMetadata": headers}
    assert [risk.code for risk in find_bucket_risks(config, told)] == expected


@pytest.mark.rest
def test_store_that_is_known_to_race(versitygw: Cloud, tmp_path: Path) -> None:
    key_file = tmp_path / "kek.toml"
    storage = {"backend": "aws", **versitygw.parameters, "bucket": versitygw.make_bucket()}
    report = Setup({"backend": "local", "keyFile": str(key_file)}, storage).examined()
    assert "STORE-KNOWN-TO-RACE" in [row.code for row in report.rows]


@pytest.mark.parametrize("call", ["Encrypt", "PUT"])
def test_throttling_is_not_down(
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    call: str,
) -> None:
    monkeypatch.setattr(stores, "_CLIENTS", 2)
    aws = setup(proxy.cloud)
    fault = kms_error("ThrottlingException") if call == "Encrypt" else s3_error("SlowDown", 503)
    proxy.spoil(call, fault)
    report = aws.examined()
    assert report.works
    assert not report.proves
    throttled = [row for row in report.rows if row.code.endswith("-THROTTLED")]
    compare(request.node, throttled[0])


def test_quick_makes_one_call_of_each(moto: Cloud, calls: list[str]) -> None:
    report = setup(moto).examined(quick=True)
    assert report.works
    assert calls == ["kms:DescribeKey", "s3:GetObject"]


def test_credentials_are_named_and_not_shown(moto: Cloud) -> None:
    aws = setup(moto)
    said = [row.text for row in aws.examined(quick=True).rows + aws.examined().rows]
    assert "credentials: accessKeyID" in said
    assert not [text for text in said if str(aws.kek["accessKey"]) in text]
