"""Stored DEKs are wrapped again under a new primary version: its calls, and what may delay it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from kms_core import AccessDeniedError, DekSizeError, Kms, open_kms
from tests.docs.upkeep import ONE, OPERATIONS, PAGE, documented
from tests.fakes.gcp.kms_server import Level
from tests.gcp.cloud import Cloud

IN_GOOGLE = sorted(documented("Google Cloud"))
ROLES = re.findall(r"--permissions=(\S+)", PAGE.read_text("utf-8"))
PERMISSIONS = [permission for role in ROLES for permission in role.split(",")]
OF_METHODS = {
    "Encrypt": "cloudkms.cryptoKeyVersions.useToEncrypt",
    "Decrypt": "cloudkms.cryptoKeyVersions.useToDecrypt",
    "GetCryptoKeyVersion": "cloudkms.cryptoKeyVersions.get",
}


def open_at(cloud: Cloud, name: str, bucket: str, **more: Any) -> Kms:
    kek = {"backend": "gcp", **cloud.kek_parameters(name, **more)}
    return open_kms(kek, {"backend": "gcp", **cloud.storage_parameters(bucket)})


def outcomes(kms: Kms) -> list[str]:
    return sorted(seen.outcome for seen in kms.rewrap_deks(bulk=ONE))


def versions(kms: Kms) -> dict[str, str]:
    seen = (outcome.dek for outcome in kms.describe_deks())
    return {dek.dek_id: dek.kek_version for dek in seen if dek}


def test_calls_of_a_run(cloud: Cloud, kms: Kms, name: str) -> None:
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}
    cloud.key(name).rotate()
    cloud.kms.seen.clear()
    assert outcomes(kms) == ["done", "done"]
    due = ["Decrypt", "Encrypt", "Decrypt"]
    assert cloud.kms.seen == ["Encrypt", "GetCryptoKeyVersion", *due, *due]
    assert versions(kms) == {"a": "2", "b": "2"}
    cloud.kms.seen.clear()
    assert outcomes(kms) == ["unchanged", "unchanged"]
    assert cloud.kms.seen == ["Encrypt", "GetCryptoKeyVersion"]
    assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks


@pytest.mark.parametrize("operation", IN_GOOGLE)
def test_calls_of_the_documentation(cloud: Cloud, kms: Kms, name: str, operation: str) -> None:
    kms.create_dek("due")
    cloud.key(name).rotate()
    cloud.kms.seen.clear()
    cloud.front.seen.clear()
    OPERATIONS[operation](kms)
    named = documented("Google Cloud")[operation]
    assert [OF_METHODS[method] for method in cloud.kms.seen] == [n for n in named if "kms" in n]
    assert {*cloud.front.seen} == {n for n in named if n.startswith("storage.")}


def test_a_primary_that_takes_hours_to_move(cloud: Cloud, name: str, bucket: str, kms: Kms) -> None:
    """Some servers go on to wrap by the old version. A run wraps by the one that it was told."""
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}
    key = cloud.key(name)
    key.rotate()
    running = kms.rewrap_deks(bulk=ONE)
    key.primary = 1  # another server is asked from now on
    assert [seen.outcome for seen in running] == ["done", "done"]
    assert versions(kms) == {"a": "2", "b": "2"}
    with open_at(cloud, name, bucket, keyVersion=2) as pinned:
        assert outcomes(pinned) == ["unchanged", "unchanged"]
        assert {dek_id: pinned.get_dek(dek_id) for dek_id in deks} == deks


def test_a_pinned_version(cloud: Cloud, name: str, bucket: str, kms: Kms) -> None:
    kms.create_dek("a")
    for _ in range(2):
        cloud.key(name).rotate()
    with open_at(cloud, name, bucket, keyVersion=2) as pinned:
        assert outcomes(pinned) == ["done"]
        assert versions(pinned) == {"a": "2"}


def test_an_hsm_that_takes_no_such_dek(cloud: Cloud, name: str, bucket: str) -> None:
    """A DEK that a software KEK wraps may be too long for an HSM: it stays as it is."""
    hsm = cloud.make_key(level=Level.HSM)
    old = {"backend": "gcp", **cloud.kek_parameters(name)}
    new = {"backend": "gcp", **cloud.kek_parameters(hsm)}
    storage = {"backend": "gcp", **cloud.storage_parameters(bucket)}
    with open_kms(old, storage) as kms:
        deks = {"long": kms.create_dek("long", size=8160), "short": kms.create_dek("short")}
    with open_kms([new, old], storage) as kms:
        seen = {outcome.dek_id: outcome for outcome in kms.rewrap_deks(bulk=ONE)}
        assert isinstance(seen["long"].error, DekSizeError)
        assert seen["short"].outcome == "done"
        assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks


@pytest.mark.parametrize("missing", ["", *PERMISSIONS])
def test_each_permission_is_needed(
    cloud: Cloud, kms: Kms, name: str, bucket: str, missing: str
) -> None:
    dek = kms.create_dek("due")
    cloud.key(name).rotate()
    account = cloud.accounts.make(*(p for p in PERMISSIONS if p != missing))
    with open_at(replace(cloud, account=account), name, bucket) as other:
        if missing:
            action = missing.rpartition(".")[2]
            with pytest.raises(AccessDeniedError, match=rf"\.{action}"):
                OPERATIONS["rewrap_deks"](other)
        else:
            OPERATIONS["rewrap_deks"](other)
    assert kms.get_dek("due") == dek
