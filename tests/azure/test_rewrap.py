"""Stored DEKs are wrapped again under a new version of the key, with one keys/get for all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kms_core import AccessDeniedError, KekDisabledError, Kms, open_kek, open_kms
from kms_core.backend.auth_key import make_auth_key
from tests.azure.cloud import Cloud
from tests.azure.test_storage import DENIED
from tests.docs.pages import DOCS, blocks
from tests.docs.upkeep import ONE, OPERATIONS, PAGE, documented
from tests.fakes.azure.faults import start_proxy
from tests.fakes.azure.key_vault import ALL, KeyVault, Version
from tests.fakes.certificates import Certificates

READ, WRITE, LIST = "GET blob", "PUT blob", "GET container"
UNWRAP, WRAP, KEY = "POST unwrapkey", "POST wrapkey", "GET key"
IN_AZURE = sorted(documented("Azure"))


@pytest.fixture
def vault(cloud: Cloud) -> KeyVault:
    return cloud.vaults["vault.azure.net"]


@pytest.fixture
def key(vault: KeyVault) -> str:
    return vault.make_key("RSA")


@pytest.fixture
def container(cloud: Cloud) -> str:
    return cloud.make_container()


@pytest.fixture
def kms(cloud: Cloud, key: str, container: str) -> Iterator[Kms]:
    with open_at(cloud, key, container) as kms:
        yield kms


def open_at(cloud: Cloud, key: str, container: str, **more: Any) -> Kms:
    return open_kms(cloud.kek_parameters(key) | more, cloud.storage_parameters(container))


def outcomes(kms: Kms) -> list[str]:
    return sorted(seen.outcome for seen in kms.rewrap_deks(bulk=ONE))


def versions(kms: Kms) -> set[str]:
    return {seen.dek.kek_version for seen in kms.describe_deks() if seen.dek}


def test_the_key_is_read_once(kms: Kms, vault: KeyVault, key: str, calls: list[str]) -> None:
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b", "c")}
    vault.rotate(key)
    deks["new"] = kms.create_dek("new")
    calls.clear()
    assert outcomes(kms) == ["done", "done", "done", "unchanged"]
    due = [READ, UNWRAP, WRAP, UNWRAP, WRITE]
    assert calls == [KEY, LIST, *due, *due, *due, READ]
    assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks
    assert versions(kms) == {vault.keys[key][1].name}


@pytest.mark.parametrize("operation", IN_AZURE)
def test_calls_of_the_documentation(
    kms: Kms, vault: KeyVault, key: str, calls: list[str], operation: str
) -> None:
    kms.create_dek("due")
    vault.rotate(key)
    calls.clear()
    OPERATIONS[operation](kms)
    assert calls == documented("Azure")[operation]


def test_the_authentication_key_is_unwrapped_once(
    cloud: Cloud, vault: KeyVault, key: str, container: str, calls: list[str]
) -> None:
    with open_kek(cloud.kek_parameters(key)) as kek:
        auth_key = make_auth_key(kek.wrap)
    with open_at(cloud, key, container, authKey=auth_key) as kms:
        deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b")}
        vault.rotate(key)
    with open_at(cloud, key, container, authKey=auth_key) as kms:
        calls.clear()
        assert outcomes(kms) == ["done", "done"]
        counts = {call: calls.count(call) for call in {*calls}}
        assert counts == {KEY: 1, LIST: 1, READ: 2, UNWRAP: 5, WRAP: 2, WRITE: 2}
        assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks


def test_a_pinned_version(cloud: Cloud, vault: KeyVault, key: str, container: str) -> None:
    """What it wrapped is left alone, however many versions are newer."""
    vault.rotate(key)
    first, second = (version.name for version in vault.keys[key])
    with open_at(cloud, key, container, keyVersion=first) as kms:
        kms.create_dek("a")
        assert outcomes(kms) == ["unchanged"]
    with open_at(cloud, key, container, keyVersion=second) as kms:
        vault.rotate(key)
        assert outcomes(kms) == ["done"]
        assert versions(kms) == {second}


def test_an_expired_version_still_unwraps(kms: Kms, vault: KeyVault, key: str) -> None:
    dek = kms.create_dek("a")
    vault.keys[key][0].exp = time.time() - 60
    vault.rotate(key)
    assert outcomes(kms) == ["done"]
    assert kms.get_dek("a") == dek


@pytest.mark.parametrize("disabled", [0, 1], ids=["the old one", "the new one"])
def test_a_version_that_is_disabled_midway(
    kms: Kms, vault: KeyVault, key: str, disabled: int
) -> None:
    """The rest fails by name, and goes on from there once it is enabled again."""
    deks = {dek_id: kms.create_dek(dek_id) for dek_id in ("a", "b", "c")}
    vault.rotate(key)
    version: Version = vault.keys[key][disabled]
    running = kms.rewrap_deks(bulk=ONE)
    assert next(running).outcome == "done"
    version.enabled = False
    rest = [*running]
    failed = [seen for seen in rest if seen.outcome == "failed"]
    assert failed
    assert all(isinstance(seen.error, KekDisabledError) for seen in failed)
    version.enabled = True
    assert outcomes(kms).count("failed") == 0
    assert {dek_id: kms.get_dek(dek_id) for dek_id in deks} == deks
    assert versions(kms) == {vault.keys[key][1].name}


@pytest.fixture
def due(kms: Kms, vault: KeyVault, key: str) -> Iterator[None]:
    """A DEK that an older version wrapped, and that is as it was after the test."""
    dek = kms.create_dek("due")
    vault.rotate(key)
    yield
    assert kms.get_dek("due") == dek


@pytest.mark.usefixtures("due")
@pytest.mark.parametrize("missing", sorted(ALL))
def test_each_permission_on_the_key_is_needed(
    cloud: Cloud, key: str, container: str, missing: str
) -> None:
    cloud.vaults["vault.azure.net"].permissions["rewrapper"] = ALL - {missing}
    with (
        open_at(cloud.as_client("rewrapper"), key, container) as other,
        pytest.raises(AccessDeniedError, match=f"keys/{missing}"),
    ):
        OPERATIONS["rewrap_deks"](other)


@pytest.mark.usefixtures("due")
@pytest.mark.parametrize("denied", [READ, WRITE, LIST])
def test_each_permission_on_the_container_is_needed(
    cloud: Cloud, key: str, container: str, certificates: Certificates, denied: str
) -> None:
    """Azurite has no roles, so the calls of the role are refused one by one."""
    named = {READ: "blobs/read", WRITE: "blobs/write", LIST: "blobs/read"}
    [role] = blocks(PAGE, "json")[2:]
    assert all(f"containers/{action}" in role for action in named.values())
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        proxy.spoil(denied, DENIED)
        with (
            open_at(cloud.reached_at({"azurite": proxy.url}), key, container) as other,
            pytest.raises(AccessDeniedError, match=named[denied]),
        ):
            OPERATIONS["rewrap_deks"](other)


def test_the_table_names_calls_of_the_page() -> None:
    named = {call for calls in documented("Azure").values() for call in calls}
    page = (DOCS / "providers" / "azure.md").read_text("utf-8")
    assert all(f"| `{call}` |" in page for call in named)
