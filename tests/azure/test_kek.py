"""``kms://azure``: which key and version it is, what wraps, and what it takes from a record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from secrets import token_bytes
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

from kms_core import (
    AccessDeniedError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    UnavailableError,
    UnwrapError,
    open_kms,
)
from tests.azure.cloud import VAULT, Cloud
from tests.fakes.azure.faults import start_proxy
from tests.fakes.azure.key_vault import ALL, Version
from tests.fakes.azure.servers import CLIENT_SECRET, TENANT
from tests.fakes.certificates import Certificates
from tests.fakes.proxy import Exchange

CONTEXT = {"dek_id": "volume/é", "size": "32"}
PLAIN, HSM = "vault.azure.net", "managedhsm.azure.net"
KINDS = [(PLAIN, "RSA"), (PLAIN, "RSA-HSM"), (HSM, "RSA-HSM"), (HSM, "oct-HSM")]


@pytest.mark.parametrize(("vault_type", "kty"), KINDS)
def test_record_holds_the_full_key_identifier(cloud: Cloud, vault_type: str, kty: str) -> None:
    vault = cloud.vaults[vault_type]
    key = vault.make_key(kty)
    wrapped = cloud.open_kek(key, vault_type).wrap_dek(bytes(32), CONTEXT)
    assert wrapped.kek_id == f"https://{VAULT}.{vault_type}/keys/{key}"
    assert wrapped.kek_version == vault.keys[key][-1].name
    assert wrapped.algorithm == ("A256KW" if kty == "oct-HSM" else "RSA-OAEP-256")


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_sizes_of_rsa(cloud: Cloud, size: int) -> None:
    key = cloud.vaults[PLAIN].make_key("RSA", size=size)
    wrapped = cloud.open_kek(key).wrap_dek(b"d" * 32, CONTEXT)
    assert int.from_bytes(wrapped.ciphertext[:2]) == size // 8
    assert cloud.open_kek(key).unwrap_dek(wrapped, CONTEXT) == b"d" * 32


@pytest.mark.parametrize(("vault_type", "kty"), KINDS)
def test_the_service_wraps(
    cloud: Cloud, certificates: Certificates, vault_type: str, kty: str
) -> None:
    """And a fresh client, which has nothing of the first one's, unwraps."""
    key = cloud.vaults[vault_type].make_key(kty)
    with start_proxy(cloud.vaults[vault_type].url, certificates) as proxy:
        behind = cloud.reached_at({vault_type: proxy.url})
        wrapped = behind.open_kek(key, vault_type).wrap_dek(b"d" * 32, CONTEXT)
        assert proxy.seen == ["GET key", "POST wrapkey"]
        proxy.seen.clear()
        assert behind.open_kek(key, vault_type).unwrap_dek(wrapped, CONTEXT) == b"d" * 32
        assert proxy.seen == ["POST unwrapkey"]


def test_the_sdk_itself_wraps_with_a_key_that_nobody_has(cloud: Cloud) -> None:
    """The fault that the test above guards against; when the SDK is cured, this one says so."""
    vault = cloud.vaults[HSM]
    key = vault.make_key("oct-HSM")
    identity = ClientSecretCredential(
        TENANT, "app", CLIENT_SECRET, authority=cloud.tokens.url, disable_instance_discovery=True
    )
    key_id = f"{vault.url}/keys/{key}"
    with CryptographyClient(key_id, identity, verify_challenge_resource=False) as client:
        wrapped = client.wrap_key(KeyWrapAlgorithm.aes_256, bytes(32)).encrypted_key
        assert client.unwrap_key(KeyWrapAlgorithm.aes_256, wrapped).key == bytes(32)
    with pytest.raises(UnwrapError):
        cloud.open_kek(key, HSM)._unwrap(vault.keys[key][-1].name, "A256KW", wrapped)


@pytest.mark.parametrize(("vault_type", "kty"), KINDS)
def test_rotation_without_a_restart(cloud: Cloud, vault_type: str, kty: str) -> None:
    vault = cloud.vaults[vault_type]
    key = vault.make_key(kty)
    kek = cloud.open_kek(key, vault_type)
    before = kek.wrap_dek(b"b" * 32, CONTEXT)
    vault.rotate(key)
    after = kek.wrap_dek(b"a" * 32, CONTEXT)
    versions = [version.name for version in vault.keys[key]]
    assert [before.kek_version, after.kek_version] == versions
    assert kek.describe_kek().kek_version == versions[-1]
    for client in (kek, cloud.open_kek(key, vault_type)):
        assert client.unwrap_dek(before, CONTEXT) == b"b" * 32
        assert client.unwrap_dek(after, CONTEXT) == b"a" * 32


def test_rotation_to_another_type(cloud: Cloud) -> None:
    vault = cloud.vaults[HSM]
    key = vault.make_key("RSA-HSM")
    kek = cloud.open_kek(key, HSM)
    before = kek.wrap_dek(b"b" * 32, CONTEXT)
    vault.keys[key].append(Version("oct-HSM"))
    after = kek.wrap_dek(b"a" * 32, CONTEXT)
    assert after.algorithm == "A256KW"
    assert kek.unwrap_dek(before, CONTEXT) == b"b" * 32
    assert kek.unwrap_dek(after, CONTEXT) == b"a" * 32


def test_pinned_version(cloud: Cloud) -> None:
    vault = cloud.vaults[PLAIN]
    key = vault.make_key("RSA")
    vault.rotate(key)
    first, newest = (version.name for version in vault.keys[key])
    pinned = cloud.open_kek(key, keyVersion=first)
    assert pinned.describe_kek().kek_version == first
    assert pinned.wrap_dek(bytes(32), CONTEXT).kek_version == first
    newer = cloud.open_kek(key).wrap_dek(b"n" * 32, CONTEXT)
    assert newer.kek_version == newest
    assert pinned.unwrap_dek(newer, CONTEXT) == b"n" * 32


def test_name_in_a_record_is_never_called(cloud: Cloud, certificates: Certificates) -> None:
    vault = cloud.vaults[PLAIN]
    ours, other = vault.make_key("RSA"), vault.make_key("RSA")
    with start_proxy(vault.url, certificates) as proxy:
        kek = cloud.reached_at({PLAIN: proxy.url}).open_kek(ours)
        wrapped = cloud.open_kek(other).wrap_dek(bytes(32), CONTEXT)
        path = replace(wrapped, kek_id=f"https://{VAULT}.{PLAIN}/keys/{ours}")
        with pytest.raises(KekNotFoundError):
            kek.unwrap_dek(wrapped, CONTEXT)
        for foreign in (
            replace(path, kek_version=f"../../keys/{other}/{wrapped.kek_version}"),
            replace(path, kek_version=f"{wrapped.kek_version}/../x"),
            replace(path, algorithm="RSA1_5"),
        ):
            with pytest.raises(UnwrapError):
                kek.unwrap_dek(foreign, CONTEXT)
        assert proxy.seen == []


def test_key_name_in_another_case(cloud: Cloud) -> None:
    """Azure compares names without case, so a record opens whichever way its key is written."""
    key = cloud.vaults[PLAIN].make_key("RSA")
    wrapped = cloud.open_kek(key).wrap_dek(b"d" * 32, CONTEXT)
    shouted = cloud.open_kek(key.upper())
    assert shouted.unwrap_dek(wrapped, CONTEXT) == b"d" * 32
    assert (
        cloud.open_kek(key).unwrap_dek(shouted.wrap_dek(b"e" * 32, CONTEXT), CONTEXT) == b"e" * 32
    )


def test_version_that_is_not_there(cloud: Cloud) -> None:
    kek = cloud.open_kek(cloud.vaults[PLAIN].make_key("RSA"))
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    with pytest.raises(KekNotFoundError, match="no such version"):
        kek.unwrap_dek(replace(wrapped, kek_version="0" * 32), CONTEXT)


def test_hsm_that_returns_a_byte_more(cloud: Cloud) -> None:
    kek = cloud.open_kek(cloud.vaults[HSM].make_key("oct-HSM"), HSM)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    cloud.vaults[HSM].extra_byte = True
    with pytest.raises(UnavailableError, match="unwrapped key of 33 bytes instead of 32"):
        kek.unwrap_dek(wrapped, CONTEXT)


def test_wrapped_key_of_another_length(cloud: Cloud, certificates: Certificates) -> None:
    """An HSM that wraps 33 bytes gives 48 instead of 40, and no DEK may depend on them."""
    key = cloud.vaults[HSM].make_key("oct-HSM")

    def lengthen(exchange: Exchange) -> None:
        reply = exchange.forward()
        reply.body = reply.body.replace(b'"value": "', b'"value": "AAAAAAAAAAAA')
        exchange.answer(reply)

    with start_proxy(cloud.vaults[HSM].url, certificates) as proxy:
        proxy.spoil("POST wrapkey", lengthen)
        kek = cloud.reached_at({HSM: proxy.url}).open_kek(key, HSM)
        with pytest.raises(UnavailableError, match="wrapped key of 49 bytes instead of 40"):
            kek.wrap_dek(bytes(32), CONTEXT)


def test_answer_about_another_key(cloud: Cloud, certificates: Certificates) -> None:
    key, other = (cloud.vaults[PLAIN].make_key("RSA") for _ in range(2))

    def rename(exchange: Exchange) -> None:
        reply = exchange.forward()
        reply.body = reply.body.replace(key.encode(), other.encode())
        exchange.answer(reply)

    with start_proxy(cloud.vaults[PLAIN].url, certificates) as proxy:
        kek = cloud.reached_at({PLAIN: proxy.url}).open_kek(key)
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
        for call in ("GET key", "POST unwrapkey"):
            proxy.spoil(call, rename)
        with pytest.raises(UnavailableError, match="not Azure's"):
            kek.describe_kek()
        with pytest.raises(UnavailableError, match="not Azure's"):
            kek.unwrap_dek(wrapped, CONTEXT)


def test_disabled_key(cloud: Cloud) -> None:
    vault = cloud.vaults[PLAIN]
    key = vault.make_key("RSA")
    kek = cloud.open_kek(key)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    vault.keys[key][-1].enabled = False
    for use in (
        lambda: kek.wrap_dek(bytes(32), CONTEXT),
        lambda: kek.unwrap_dek(wrapped, CONTEXT),
        kek.describe_kek,
    ):
        with pytest.raises(KekDisabledError, match="disabled; enable it"):
            use()
    vault.keys[key][-1].enabled = True
    assert kek.unwrap_dek(wrapped, CONTEXT) == bytes(32)


@pytest.mark.parametrize(("field", "problem"), [("exp", "has expired"), ("nbf", "not valid yet")])
def test_key_outside_its_dates(cloud: Cloud, field: str, problem: str) -> None:
    """It does not wrap, and still unwraps: that is Key Vault's rule."""
    vault = cloud.vaults[PLAIN]
    key = vault.make_key("RSA")
    kek = cloud.open_kek(key)
    wrapped = kek.wrap_dek(b"d" * 32, CONTEXT)
    setattr(vault.keys[key][-1], field, time.time() + (60 if field == "nbf" else -60))
    with pytest.raises(KekDisabledError, match=problem):
        kek.wrap_dek(bytes(32), CONTEXT)
    with pytest.raises(KekDisabledError, match=problem):
        kek.describe_kek()
    assert kek.unwrap_dek(wrapped, CONTEXT) == b"d" * 32


def test_disabled_key_that_is_only_called_forbidden(
    cloud: Cloud, certificates: Certificates
) -> None:
    """Not every service says why; then the key's attributes do."""
    vault = cloud.vaults[PLAIN]
    key = vault.make_key("RSA")

    def say_less(exchange: Exchange) -> None:
        reply = exchange.forward()
        reply.body = reply.body.replace(b"KeyDisabled", b"Unspecified")
        exchange.answer(reply)

    with start_proxy(vault.url, certificates) as proxy:
        proxy.spoil("POST unwrapkey", say_less)
        kek = cloud.reached_at({PLAIN: proxy.url}).open_kek(key)
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
        vault.keys[key][-1].enabled = False
        with pytest.raises(KekDisabledError, match=f"{wrapped.kek_version} is disabled"):
            kek.unwrap_dek(wrapped, CONTEXT)


@pytest.mark.parametrize("more", [{"kty": "EC"}, {"kty": "RSA", "ops": ("encrypt", "decrypt")}])
def test_key_of_another_kind(cloud: Cloud, more: dict[str, Any]) -> None:
    kek = cloud.open_kek(cloud.vaults[PLAIN].make_key(**more))
    with pytest.raises(ConfigError, match="use an RSA key"):
        kek.wrap_dek(bytes(32), CONTEXT)


@pytest.mark.parametrize("missing", sorted(ALL))
@pytest.mark.parametrize("vault_type", [PLAIN, HSM])
def test_missing_permission(cloud: Cloud, vault_type: str, missing: str) -> None:
    """Only the use of the missing permission fails, and names it and a role that has it."""
    vault, client = cloud.vaults[vault_type], f"without-{missing}"
    vault.permissions[client] = ALL - {missing}
    key = vault.make_key("RSA-HSM")
    wrapped = cloud.open_kek(key, vault_type).wrap_dek(bytes(32), CONTEXT)
    kek = cloud.as_client(client).open_kek(key, vault_type)
    uses: dict[str, list[Callable[[], object]]] = {
        "get": [kek.describe_kek, lambda: kek.wrap_dek(bytes(32), CONTEXT)],
        "wrapKey": [lambda: kek.wrap_dek(bytes(32), CONTEXT)],
        "unwrapKey": [lambda: kek.unwrap_dek(wrapped, CONTEXT)],
    }
    role = "Managed HSM" if vault_type == HSM else "Key Vault"
    for use in uses[missing]:
        with pytest.raises(AccessDeniedError) as caught:
            use()
        assert f"keys/{missing} on {wrapped.kek_id}" in str(caught.value)
        assert ": Forbidden" in str(caught.value)
        assert f"{role} Crypto Service Encryption User" in str(caught.value)
    if missing == "get":
        assert kek.unwrap_dek(wrapped, CONTEXT) == bytes(32)


def test_no_permission_at_all(cloud: Cloud) -> None:
    vault = cloud.vaults[PLAIN]
    vault.permissions["nobody"] = frozenset()
    key = vault.make_key("RSA")
    wrapped = cloud.open_kek(key).wrap_dek(bytes(32), CONTEXT)
    with pytest.raises(AccessDeniedError, match="keys/unwrapKey on https://"):
        cloud.as_client("nobody").open_kek(key).unwrap_dek(wrapped, CONTEXT)


def test_any_size_of_dek(cloud: Cloud) -> None:
    kek, dek = cloud.open_kek(cloud.vaults[PLAIN].make_key("RSA")), token_bytes(8160)
    assert kek.unwrap_dek(kek.wrap_dek(dek, CONTEXT), CONTEXT) == dek


def test_record_copied_to_another_id(cloud: Cloud) -> None:
    container = cloud.make_container()
    admin = cloud.admin(container)
    kek = cloud.kek_parameters(cloud.vaults[PLAIN].make_key("RSA"))
    with open_kms(kek, cloud.storage_parameters(container)) as kms:
        kms.get_dek("original", create=True)
        data = admin.download_blob("original.json").readall()
        copy = data.replace(b'"dek_id":"original"', b'"dek_id":"copied"')
        admin.upload_blob("copied.json", copy)
        with pytest.raises(UnwrapError):
            kms.get_dek("copied", create=True)
        assert admin.download_blob("copied.json").readall() == copy


@pytest.mark.parametrize(("vault_type", "option"), [(PLAIN, "--vault-name"), (HSM, "--hsm-name")])
def test_the_command_that_rotates_it(cloud: Cloud, vault_type: str, option: str) -> None:
    key = cloud.vaults[vault_type].make_key("RSA-HSM")
    command = cloud.open_kek(key, vault_type).rotation_command()
    assert command == f"az keyvault key rotate {option} {VAULT} --name {key}"
