"""``kms://aws``: which KEK it is, and what it takes from a record."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from functools import partial
from secrets import token_bytes, token_hex

import pytest

from kms_core import (
    ConfigError,
    DekSizeError,
    KekDisabledError,
    KekNotFoundError,
    UnwrapError,
    open_kms,
)
from tests.aws.cloud import REGION, Cloud, start_proxy
from tests.fakes.proxy import Exchange

CONTEXT = {"dek_id": "volume/é", "size": "32"}
KEY_ID_IN_MOTOS_CIPHERTEXT = 36


def make_alias(cloud: Cloud, key: str) -> str:
    alias = f"alias/deks-{token_hex(6)}"
    cloud.admin("kms").create_alias(AliasName=alias, TargetKeyId=key.rpartition("/")[2])
    return alias


def test_every_form_of_key_name(cloud: Cloud) -> None:
    arn, dek = cloud.make_key(), token_bytes(32)
    alias = make_alias(cloud, arn)
    names = [arn, arn.rpartition("/")[2], alias, f"{arn.rpartition(':')[0]}:{alias}"]
    wraps = [cloud.open_kek(name).wrap_dek(dek, CONTEXT) for name in names]
    assert {wrapped.kek_id for wrapped in wraps} == {arn}
    for name in names:
        kek = cloud.open_kek(name)
        assert all(kek.unwrap_dek(wrapped, CONTEXT) == dek for wrapped in wraps)
        assert kek.describe_kek().kek_id == arn


def test_alias_is_looked_up_once(moto: Cloud) -> None:
    with start_proxy(moto) as proxy:
        kek = proxy.cloud.open_kek(make_alias(moto, moto.make_key()))
        proxy.seen.clear()
        for _ in range(3):
            kek.unwrap_dek(kek.wrap_dek(bytes(32), CONTEXT), CONTEXT)
        assert proxy.seen == ["DescribeKey", *["Encrypt", "Decrypt"] * 3]


def test_key_arn_needs_no_look_up(moto: Cloud) -> None:
    with start_proxy(moto) as proxy:
        kek = proxy.cloud.open_kek(moto.make_key())
        proxy.seen.clear()
        kek.unwrap_dek(kek.wrap_dek(bytes(32), CONTEXT), CONTEXT)
        assert proxy.seen == ["Encrypt", "Decrypt"]


def test_alias_that_was_repointed(moto: Cloud) -> None:
    old, new = moto.make_key(), moto.make_key()
    alias = make_alias(moto, old)
    opened = moto.open_kek(alias)
    before = opened.wrap_dek(bytes(32), CONTEXT)
    moto.admin("kms").update_alias(AliasName=alias, TargetKeyId=new.rpartition("/")[2])
    assert opened.wrap_dek(bytes(32), CONTEXT).kek_id == old  # until it is opened again
    reopened = moto.open_kek(alias)
    assert reopened.wrap_dek(bytes(32), CONTEXT).kek_id == new
    with pytest.raises(KekNotFoundError, match="configure the KEK that wrapped it") as caught:
        reopened.unwrap_dek(before, CONTEXT)
    assert old in str(caught.value)
    assert new in str(caught.value)
    assert moto.open_kek(old).unwrap_dek(before, CONTEXT) == bytes(32)


def test_name_in_a_record_is_never_called(moto: Cloud) -> None:
    with start_proxy(moto) as proxy:
        kek, other = proxy.cloud.open_kek(moto.make_key()), moto.open_kek(moto.make_key())
        wrapped = other.wrap_dek(bytes(32), CONTEXT)
        proxy.seen.clear()
        with pytest.raises(KekNotFoundError):
            kek.unwrap_dek(wrapped, CONTEXT)
        assert proxy.seen == []


def test_every_byte_but_the_keys_id(moto: Cloud) -> None:
    kek = moto.open_kek(moto.make_key())
    wrapped = kek.wrap_dek(token_bytes(32), CONTEXT)
    for position in range(KEY_ID_IN_MOTOS_CIPHERTEXT, len(wrapped.ciphertext)):
        altered = bytearray(wrapped.ciphertext)
        altered[position] ^= 1
        with pytest.raises(UnwrapError):
            kek.unwrap_dek(replace(wrapped, ciphertext=bytes(altered)), CONTEXT)


def test_too_long_a_ciphertext_is_not_sent(moto: Cloud) -> None:
    with start_proxy(moto) as proxy:
        kek = proxy.cloud.open_kek(moto.make_key())
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
        proxy.seen.clear()
        with pytest.raises(UnwrapError):
            kek.unwrap_dek(replace(wrapped, ciphertext=bytes(6145)), CONTEXT)
        assert proxy.seen == []


def test_largest_dek(moto: Cloud) -> None:
    kek, dek = moto.open_kek(moto.make_key()), token_bytes(4096)
    assert kek.unwrap_dek(kek.wrap_dek(dek, CONTEXT), CONTEXT) == dek
    with pytest.raises(DekSizeError, match="at most 4096 bytes, 32 of which core needs"):
        kek.wrap_dek(bytes(4097), CONTEXT)


def test_key_states(ministack: Cloud) -> None:
    admin, key = ministack.admin("kms"), ministack.make_key()
    kek = ministack.open_kek(key)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)

    def is_refused(state: str) -> None:
        for use in (
            lambda: kek.wrap_dek(bytes(32), CONTEXT),
            lambda: kek.unwrap_dek(wrapped, CONTEXT),
        ):
            with pytest.raises(KekDisabledError, match=key):
                use()
        with pytest.raises(KekDisabledError, match=f"{key} is {state}"):
            kek.describe_kek()

    admin.disable_key(KeyId=key)
    is_refused("Disabled")
    admin.enable_key(KeyId=key)
    assert kek.unwrap_dek(wrapped, CONTEXT) == bytes(32)
    admin.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    is_refused("PendingDeletion")
    admin.cancel_key_deletion(KeyId=key)
    admin.enable_key(KeyId=key)
    assert kek.unwrap_dek(wrapped, CONTEXT) == bytes(32)


def test_key_of_another_kind(cloud: Cloud) -> None:
    key = cloud.make_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    kek = cloud.open_kek(key)
    with pytest.raises(ConfigError, match="no symmetric KEK"):
        kek.describe_kek()


def test_wrapping_with_a_key_of_another_kind(ministack: Cloud) -> None:
    key = ministack.make_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    with pytest.raises(ConfigError, match="use a symmetric key"):
        ministack.open_kek(key).wrap_dek(bytes(32), CONTEXT)


def test_missing_key(cloud: Cloud) -> None:
    with pytest.raises(KekNotFoundError, match="alias/missing"):
        cloud.open_kek("alias/missing").wrap_dek(bytes(32), CONTEXT)


def test_record_copied_to_another_id(cloud: Cloud) -> None:
    bucket = cloud.make_bucket()
    kek = {"backend": "aws", **cloud.parameters, "keyName": cloud.make_key()}
    storage = {"backend": "aws", **cloud.parameters, "bucket": bucket}
    with open_kms(kek, storage) as kms:
        kms.get_dek("original", create=True)
        s3 = cloud.admin("s3")
        data = s3.get_object(Bucket=bucket, Key="original.json")["Body"].read()
        copy = data.replace(b'"dek_id":"original"', b'"dek_id":"copied"')
        s3.put_object(Bucket=bucket, Key="copied.json", Body=copy)
        with pytest.raises(UnwrapError):
            kms.get_dek("copied", create=True)
        assert s3.get_object(Bucket=bucket, Key="copied.json")["Body"].read() == copy


def rotation_of(cloud: Cloud, name: str) -> tuple[str, str]:
    """Which key in which region the command of a KEK rotates."""
    words = shlex.split(cloud.open_kek(name).rotation_command())
    assert words[:3] == ["aws", "kms", "rotate-key-on-demand"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options.pop("--endpoint-url") == cloud.endpoint
    key, region = options.pop("--key-id"), options.pop("--region")
    assert options == {}
    return key, region


def test_the_command_that_rotates_it(cloud: Cloud) -> None:
    """It takes no alias."""
    arn = cloud.make_key()
    for name in (arn, arn.rpartition("/")[2], make_alias(cloud, arn)):
        assert rotation_of(cloud, name) == (arn, REGION)


def test_the_rotation_that_the_command_names(moto: Cloud) -> None:
    kek, dek = moto.open_kek(make_alias(moto, moto.make_key())), token_bytes(32)
    wrapped = kek.wrap_dek(dek, CONTEXT)
    key, region = rotation_of(moto, wrapped.kek_id)
    moto.admin("kms", region).rotate_key_on_demand(KeyId=key)
    assert kek.unwrap_dek(wrapped, CONTEXT) == dek


def be_a_replica(exchange: Exchange, primary: str) -> None:
    """Answer as DescribeKey does of a replica: no server here has any."""
    reply = exchange.forward()
    answer = json.loads(reply.body)
    answer["KeyMetadata"]["MultiRegionConfiguration"] = {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": primary, "Region": "us-east-1"},
        "ReplicaKeys": [{"Arn": answer["KeyMetadata"]["Arn"], "Region": REGION}],
    }
    reply.body = json.dumps(answer).encode()
    exchange.answer(reply)


def test_a_replica_is_rotated_by_its_primary_key(moto: Cloud) -> None:
    key = moto.make_key(MultiRegion=True)
    primary = key.replace(REGION, "us-east-1")
    with start_proxy(moto) as proxy:
        proxy.spoil("DescribeKey", partial(be_a_replica, primary=primary))
        assert rotation_of(proxy.cloud, key) == (primary, "us-east-1")
