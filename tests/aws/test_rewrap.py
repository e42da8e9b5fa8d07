"""Stored DEKs are wrapped again under new key material, and which calls that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Literal

import pytest

from kms_core import KekNotFoundError, Kms, open_kms
from tests.aws.cloud import REGION, Cloud, start_proxy
from tests.aws.test_deployments import rename
from tests.docs.upkeep import ONE, OPERATIONS, documented

READ, WRITE = "s3:GetObject", "s3:PutObject"
UNWRAP, WRAP, AGAIN = "kms:Decrypt", "kms:Encrypt", "kms:ReEncrypt"
Verify = Literal["unwrap", "kms"]


@pytest.fixture
def key(moto: Cloud) -> str:
    return moto.make_key()


@pytest.fixture
def bucket(moto: Cloud) -> str:
    return moto.make_bucket()


@pytest.fixture
def kms(moto: Cloud, key: str, bucket: str) -> Iterator[Kms]:
    with open_at(moto, key, bucket) as kms:
        yield kms


def open_at(cloud: Cloud, key: str, bucket: str, **more: str) -> Kms:
    shared = {"backend": "aws", **cloud.parameters} | more
    storage = {"backend": "aws", **cloud.parameters, "bucket": bucket}
    storage["allowUnconditionalCreate"] = True  # as if it were Amazon's own, without a probe
    return open_kms(shared | {"keyName": key}, storage)


def outcomes(kms: Kms, verify: Verify = "unwrap") -> list[str]:
    return [seen.outcome for seen in kms.rewrap_deks(verify=verify, bulk=ONE)]


def test_each_due_dek_is_unwrapped_before_and_after(
    moto: Cloud, kms: Kms, key: str, calls: list[str]
) -> None:
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}
    moto.rotate(key)
    deks["new"] = kms.create_dek("new")
    calls.clear()
    assert sorted(outcomes(kms)) == ["done", "done", "unchanged"]
    due = [READ, UNWRAP, UNWRAP, WRAP, UNWRAP, WRITE]
    assert calls == ["kms:DescribeKey", "s3:ListObjectsV2", *due, *due, READ, UNWRAP]
    assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks


@pytest.mark.parametrize("operation", OPERATIONS)
def test_calls_of_the_documentation(
    moto: Cloud, kms: Kms, key: str, calls: list[str], operation: str
) -> None:
    kms.create_dek("due")
    moto.rotate(key)
    calls.clear()
    OPERATIONS[operation](kms)
    assert calls == documented("AWS")[operation]


def test_the_kms_rewraps_inside(moto: Cloud, kms: Kms, key: str, calls: list[str]) -> None:
    dek = kms.create_dek("a")
    moto.rotate(key)
    kms.create_dek("new")
    calls.clear()
    assert sorted(outcomes(kms, "kms")) == ["done", "unchanged"]
    due, current = [READ, AGAIN, WRITE], [READ, AGAIN]
    assert calls == ["kms:DescribeKey", "s3:ListObjectsV2", *due, *current]
    assert kms.get_dek("a") == dek


@pytest.mark.parametrize("verify", ["unwrap", "kms"])
def test_nothing_is_written_when_nothing_changes(
    kms: Kms, verify: Verify, calls: list[str]
) -> None:
    kms.create_dek("a")
    before = kms.describe_dek("a")
    calls.clear()
    assert outcomes(kms, verify) == ["unchanged"]
    assert not kms.rewrap_dek("a", verify=verify)
    assert WRITE not in calls
    assert kms.describe_dek("a") == before


def test_an_inventory_finds_what_wrapped(moto: Cloud, kms: Kms, key: str) -> None:
    kms.create_dek("a")
    old = kms.describe_kek().key_material
    moto.rotate(key)
    kms.create_dek("b")
    new = kms.describe_kek().key_material

    def found() -> dict[str, str]:
        seen = (outcome.dek for outcome in kms.describe_deks(deep=True))
        return {dek.dek_id: dek.key_material for dek in seen if dek}

    assert found() == {"a": old, "b": new}
    [one] = (seen for seen in kms.rewrap_deks(only_kek_version=old) if seen.outcome == "done")
    assert one.dek_id == "a"
    assert found() == {"a": new, "b": new}


@pytest.mark.parametrize("verify", ["unwrap", "kms"])
def test_two_regions_of_one_kek(moto: Cloud, key: str, bucket: str, verify: Verify) -> None:
    """A run in one region leaves alone what the replica in the other has wrapped.

    No server here has replicas that decrypt: proxies give one key two names.
    """
    here = key.replace("key/", "key/mrk-")
    there = here.replace(REGION, "us-east-1")
    with ExitStack() as stack:
        opened = []
        for name, region in ((here, REGION), (there, "us-east-1")):
            proxy = stack.enter_context(start_proxy(moto))
            for call in ("Encrypt", "Decrypt", "ReEncrypt", "DescribeKey"):
                proxy.spoil(call, partial(rename, names=(name, key)))
            at_home = open_at(proxy.cloud, name, bucket, region=region)
            opened.append(stack.enter_context(at_home))
        dek = opened[0].create_dek("a")
        moto.rotate(key)
        assert [outcomes(kms, verify) for kms in reversed(opened)] == [["done"], ["unchanged"]]
        assert [outcomes(kms, verify) for kms in opened] == [["unchanged"]] * 2
        assert [kms.get_dek("a") for kms in opened] == [dek] * 2


def test_a_dek_of_another_key_stays(moto: Cloud, kms: Kms, bucket: str) -> None:
    with open_at(moto, moto.make_key(), bucket) as other:
        dek = other.create_dek("a")
        for seen in (*kms.rewrap_deks(), *kms.rewrap_deks(verify="kms")):
            assert isinstance(seen.error, KekNotFoundError)
        assert other.get_dek("a") == dek
