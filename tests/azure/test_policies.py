"""What ``kms permissions azure`` prints is what is called, and what the pages have."""

from __future__ import annotations

import json
import re

import pytest

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_azure.permissions import CALLS, DATA_ACTIONS, HOOKS, PURPOSES, write_policy
from kms_core import ConfigError
from kms_core._doctor import stores
from tests.azure.cloud import PATIENT, Cloud
from tests.docs.pages import DOCS, blocks
from tests.docs.upkeep import PAGE
from tests.mistakes import Setup
from tests.purposes import use

_ROW = re.compile(r"^\| `([A-Z]+ \w+)` \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def make(cloud: Cloud) -> Setup:
    key = cloud.vaults["vault.azure.net"].make_key("RSA")
    storage = cloud.storage_parameters(cloud.make_container())
    return Setup(cloud.kek_parameters(key) | PATIENT, storage | PATIENT)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_printed_role_is_what_is_called(
    cloud: Cloud, calls: list[str], monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    monkeypatch.setattr(stores, "_CLIENTS", 2)
    monkeypatch.setattr(stores, "_ROUNDS", 0)
    setups = [make(cloud), make(cloud)]
    with setups[0].open() as kms:
        kms.create_dek("due")
    vault = cloud.vaults["vault.azure.net"]
    vault.rotate(str(setups[0].kek["keyName"]))
    calls.clear()
    use(purpose, *setups)
    called = {permission for call in calls for permission in CALLS[call]}
    of_new_blobs = {"blobs/add/action"}  # the same call replaces blobs, which needs none
    assert called - of_new_blobs == {*PURPOSES[purpose]} - of_new_blobs
    assert (purpose in {"get", "rewrap"}) == ("blobs/add/action" not in PURPOSES[purpose])


def test_pages_have_what_is_printed() -> None:
    pages = {"create": DOCS / "providers" / "azure.md", "rewrap": PAGE}
    for purpose, page in pages.items():
        [role] = [json.loads(text) for text in blocks(page, "json") if "DataActions" in text]
        of_blobs = [name for name in PURPOSES[purpose] if name.startswith("blobs/")]
        assert role["DataActions"] == [DATA_ACTIONS[name] for name in of_blobs]


def test_page_has_every_call() -> None:
    rows = _ROW.findall((DOCS / "providers" / "azure.md").read_text("utf-8"))
    named = {call: re.findall(r"`([^`]+)`", text) for call, text in rows}
    assert {call: tuple(names[: len(CALLS[call])]) for call, names in named.items()} == {**CALLS}


def test_role_of_what_is_configured() -> None:
    vault = {"vaultName": "our-vault", "keyName": "kek"}
    hsm = AzureKekConfig.from_parameters(vault | {"vaultType": "managedhsm.azure.net"})
    store = AzureStorageConfig.from_parameters({"account": "ours", "container": "deks"})
    of_hsm = json.loads(write_policy("create", [hsm, store]))
    assert not [one for one in of_hsm["DataActions"] if "KeyVault" in one]
    assert "Managed HSM Crypto Service Encryption User" in of_hsm["Description"]
    of_vault = json.loads(write_policy("get", [AzureKekConfig.from_parameters(vault)]))
    assert of_vault["DataActions"] == [DATA_ACTIONS["keys/unwrapKey"]]


def test_hooks_take_what_the_policy_allows() -> None:
    """Doctor names permissions by this table, and calls all of these hooks."""
    assert {name for names in HOOKS.values() for name in names} == {*PURPOSES["doctor"]}


def test_access_policy() -> None:
    """For a vault without roles; each purpose has its own key permissions."""
    vault = AzureKekConfig.from_parameters({"vaultName": "our-vault", "keyName": "kek"})
    store = AzureStorageConfig.from_parameters({"account": "ours", "container": "deks"})
    words = write_policy("create", [vault, store], "access-policy").split()
    assert words[:5] == ["az", "keyvault", "set-policy", "--name", "our-vault"]
    assert words[-4:] == ["--key-permissions", "get", "wrapKey", "unwrapKey"]
    assert write_policy("get", [], "access-policy").endswith("--key-permissions unwrapKey")
    for configs, form in (([store], "access-policy"), ([], "bucket-policy")):
        with pytest.raises(ConfigError):
            write_policy("create", configs, form)
