"""``kms://gcp``: what it sends, and what it makes of a rotated or disabled KEK."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import google_crc32c
import pytest

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    DekSizeError,
    KekDisabledError,
    KekInfo,
    KekNotFoundError,
    UnwrapError,
    open_kms,
)
from kms_core.backend import Context, encode_context
from kms_gcp.kek import GcpKek
from tests.fakes.gcp.kms_server import Algorithm, Level, State
from tests.gcp.cloud import KEK_PERMISSIONS, RECORD_PERMISSIONS, Cloud
from tests.gcp.failing import fails

DEK = bytes(range(32))
CONTEXT: Context = {"dek_id": "volume/\u00e9", "size": "32"}


def test_context_is_authenticated_and_checksums_are_sent(cloud: Cloud, kek: GcpKek) -> None:
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    assert kek.unwrap_dek(wrapped, CONTEXT) == DEK
    encrypt, decrypt = cloud.kms.requests
    bound = encode_context(CONTEXT)
    assert encrypt.additional_authenticated_data == bound
    assert decrypt.additional_authenticated_data == bound
    checksums = [encrypt.plaintext_crc32c, decrypt.ciphertext_crc32c]
    assert checksums == [google_crc32c.value(DEK), google_crc32c.value(wrapped.ciphertext[32:])]
    for request in (encrypt, decrypt):
        assert request.additional_authenticated_data_crc32c == google_crc32c.value(bound)


def test_names(cloud: Cloud, name: str, kek: GcpKek) -> None:
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    assert (wrapped.kek_id, wrapped.kek_version) == (cloud.resource(name), "1")
    kek.unwrap_dek(wrapped, CONTEXT)
    assert [r.name for r in cloud.kms.requests] == [cloud.resource(name)] * 2


def test_a_call_starts_no_thread(kek: GcpKek, monkeypatch: pytest.MonkeyPatch) -> None:
    """As gRPC does for each call whose token it asks for itself."""
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    assert kek.unwrap_dek(wrapped, CONTEXT) == DEK
    assert not started


def test_rotation_while_running(cloud: Cloud, name: str, kek: GcpKek) -> None:
    before = kek.wrap_dek(DEK, CONTEXT)
    assert cloud.key(name).rotate() == 2
    cloud.kms.seen.clear()
    after = kek.wrap_dek(DEK, CONTEXT)
    assert cloud.kms.seen == ["Encrypt"]
    assert (before.kek_version, after.kek_version) == ("1", "2")
    assert kek.describe_kek().kek_version == "2"
    fresh = cloud.open_kek(name)
    assert [fresh.unwrap_dek(w, CONTEXT) for w in (before, after)] == [DEK, DEK]
    cloud.key(name).primary = 1
    assert fresh.wrap_dek(DEK, CONTEXT).kek_version == "1"


def test_each_process_wraps_once(cloud: Cloud, name: str) -> None:
    """Also one that has read nothing, whatever version is primary by now."""
    for version in ("2", "3"):
        cloud.key(name).rotate()
        cloud.kms.seen.clear()
        assert cloud.open_kek(name).wrap_dek(DEK, CONTEXT).kek_version == version
        assert cloud.kms.seen == ["Encrypt"]


def test_a_version_that_was_altered(cloud: Cloud, name: str, kek: GcpKek) -> None:
    """Decrypt would open it all the same, and an inventory would count it for another version."""
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    cloud.key(name).rotate()
    for version in ("2", "01", "1 ", ""):
        altered = replace(wrapped, kek_version=version)
        fails(UnwrapError, partial(kek.unwrap_dek, altered, CONTEXT))


def test_primary_version_that_has_not_settled(cloud: Cloud, name: str, kek: GcpKek) -> None:
    """For hours after a rotation each answer may be another version's."""

    def flip(request: Any, context: Any, answer: Any) -> Any:
        cloud.key(name).primary = 3 - cloud.key(name).primary
        return answer(request)

    cloud.key(name).rotate()
    cloud.kms.spoil("Encrypt", flip)
    for _ in range(5):
        assert kek.unwrap_dek(kek.wrap_dek(DEK, CONTEXT), CONTEXT) == DEK


def test_rotation_under_our_feet(cloud: Cloud, name: str, kek: GcpKek) -> None:
    def rotate(request: Any, context: Any, answer: Any) -> Any:
        cloud.key(name).rotate()
        return answer(request)

    cloud.kms.spoil("Encrypt", rotate, times=1)
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    assert wrapped.kek_version == "2"
    assert kek.unwrap_dek(wrapped, CONTEXT) == DEK


def test_pinned_version(cloud: Cloud, name: str) -> None:
    cloud.key(name).rotate()
    pinned = cloud.open_kek(name, keyVersion="1")
    wrapped = pinned.wrap_dek(DEK, CONTEXT)
    assert wrapped.kek_version == "1"
    assert pinned.describe_kek() == KekInfo(wrapped.kek_id, "1", wrapped.algorithm)
    assert cloud.kms.seen == ["Encrypt", "GetCryptoKeyVersion"]
    newer = cloud.open_kek(name).wrap_dek(DEK, CONTEXT)
    assert (newer.kek_version, pinned.unwrap_dek(newer, CONTEXT)) == ("2", DEK)


@pytest.mark.parametrize("state", [State.DISABLED, State.DESTROYED, State.DESTROY_SCHEDULED])
def test_old_version_is_not_usable(cloud: Cloud, name: str, kek: GcpKek, state: Any) -> None:
    old = kek.wrap_dek(DEK, CONTEXT)
    cloud.key(name).rotate()
    cloud.key(name).versions[0].state = state
    error = fails(KekDisabledError, lambda: kek.unwrap_dek(old, CONTEXT))
    assert f"{cloud.resource(name)}/cryptoKeyVersions/1:" in str(error)
    assert kek.unwrap_dek(kek.wrap_dek(DEK, CONTEXT), CONTEXT) == DEK


@pytest.mark.parametrize("state", [State.DISABLED, State.DESTROYED])
def test_primary_version_is_not_usable(cloud: Cloud, name: str, kek: GcpKek, state: Any) -> None:
    cloud.key(name).rotate()
    cloud.key(name).versions[1].state = state
    for call in (lambda: kek.wrap_dek(DEK, CONTEXT), kek.describe_kek):
        assert "cryptoKeyVersions/2:" in str(fails(KekDisabledError, call))
    pinned = cloud.open_kek(name, keyVersion=2)
    assert f"cryptoKeyVersions/2 is {state.name}" in str(
        fails(KekDisabledError, pinned.describe_kek)
    )


def test_largest_dek(cloud: Cloud) -> None:
    largest = bytes(8160)
    hsm = cloud.open_kek(cloud.make_key(level=Level.HSM))
    assert hsm.unwrap_dek(hsm.wrap_dek(bytes(8000), CONTEXT), CONTEXT) == bytes(8000)
    error = fails(DekSizeError, lambda: hsm.wrap_dek(largest, CONTEXT))
    assert "use a software KEK" in str(error)
    software = cloud.open_kek(cloud.make_key())
    assert software.unwrap_dek(software.wrap_dek(largest, CONTEXT), CONTEXT) == largest


def test_key_of_another_purpose(cloud: Cloud) -> None:
    kek = cloud.open_kek(cloud.make_key(algorithm=Algorithm.RSA_DECRYPT_OAEP_2048_SHA256))
    assert "ENCRYPT_DECRYPT" in str(fails(ConfigError, lambda: kek.wrap_dek(DEK, CONTEXT)))
    pinned = cloud.open_kek(
        cloud.make_key(algorithm=Algorithm.RSA_DECRYPT_OAEP_2048_SHA256), keyVersion="1"
    )
    assert "ENCRYPT_DECRYPT" in str(fails(ConfigError, pinned.describe_kek))


def test_record_is_no_address(cloud: Cloud, kek: GcpKek) -> None:
    other = cloud.open_kek(cloud.make_key()).wrap_dek(DEK, CONTEXT)
    cloud.kms.seen.clear()
    fails(KekNotFoundError, lambda: kek.unwrap_dek(other, CONTEXT))
    evil = replace(kek.wrap_dek(DEK, CONTEXT), kek_version="1/../../evil")
    fails(UnwrapError, lambda: kek.unwrap_dek(evil, CONTEXT))
    assert cloud.kms.seen == ["Encrypt"]


@pytest.mark.parametrize("missing", KEK_PERMISSIONS)
def test_missing_permission(cloud: Cloud, name: str, kek: GcpKek, missing: str) -> None:
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    account = cloud.accounts.make(*(p for p in KEK_PERMISSIONS if p != missing))
    poor = cloud.open_kek(name, credentialsPath=str(account.file), keyVersion="1")
    uses: Mapping[str, Callable[[], object]] = {
        "cloudkms.cryptoKeyVersions.get": poor.describe_kek,
        "cloudkms.cryptoKeyVersions.useToDecrypt": lambda: poor.unwrap_dek(wrapped, CONTEXT),
        "cloudkms.cryptoKeyVersions.useToEncrypt": lambda: poor.wrap_dek(DEK, CONTEXT),
    }
    for permission, use in uses.items():
        if permission != missing:
            use()
            continue
        error = fails(AccessDeniedError, use)
        assert f"{missing} on {cloud.resource(name)}" in str(error)


def test_least_permissions_are_enough(cloud: Cloud, name: str) -> None:
    account = cloud.accounts.make(*KEK_PERMISSIONS, *RECORD_PERMISSIONS)
    who = {"backend": "gcp", "credentialsPath": str(account.file)}
    kek = cloud.kek_parameters(name) | who
    storage = cloud.storage_parameters(cloud.make_bucket()) | who
    with open_kms(kek, storage) as kms:
        assert kms.describe_kek().kek_id == cloud.resource(name)
        dek = kms.get_dek("id", create=True)
    with open_kms(kek, storage) as kms:
        assert kms.get_dek("id", create=False) == dek
    assert cloud.accounts.used == {*KEK_PERMISSIONS, *RECORD_PERMISSIONS}


def test_account_that_google_does_not_know(cloud: Cloud, name: str) -> None:
    account = cloud.accounts.make(*KEK_PERMISSIONS)
    del cloud.accounts.known[account.email]
    kek = cloud.open_kek(name, credentialsPath=str(account.file))
    assert "was not deleted, this machine's clock" in str(
        fails(AuthenticationError, kek.describe_kek)
    )


def test_the_command_that_rotates_it(cloud: Cloud, name: str, kek: GcpKek) -> None:
    project, location, ring = cloud.resource(name).split("/")[1:6:2]
    assert kek.rotation_command() == (
        f"gcloud kms keys versions create --key={name} --keyring={ring} --location={location} "
        f"--project={project} --primary"
    )
    assert cloud.kms.seen == []
