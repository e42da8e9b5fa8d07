"""The command ``kms`` against our managed HSM and Azurite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.azure.cloud import Cloud
from tests.cli.running import run_command
from tests.fakes.azure.servers import CLIENT_SECRET
from tests.secret_files import write_private

HSM = "managedhsm.azure.net"


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[HSM].make_key("oct-HSM")


@pytest.fixture
def config(cloud: Cloud, key: str, tmp_path: Path) -> str:
    """A config file; the secret stands in a file of its own."""
    write_private(tmp_path / "secret", CLIENT_SECRET)
    storage = cloud.storage_parameters(cloud.make_container())
    kek = cloud.kek_parameters(key, HSM)
    for table in (kek, storage):
        table["clientSecretFile"] = table.pop("clientSecret") and "secret"
    (tmp_path / "kms.toml").write_text(_toml(kek, storage))
    return str(tmp_path / "kms.toml")


def test_end_to_end(cloud: Cloud, config: str, key: str) -> None:
    made = run_command("dek", "get", "--create", "volume-42", KMS_CONFIG=config)
    assert (made.code, made.errors) == (0, "")
    assert len(bytes.fromhex(made.output)) == 32
    cloud.vaults[HSM].rotate(key)
    assert run_command("dek", "get", "volume-42", KMS_CONFIG=config) == made
    assert run_command("dek", "list", KMS_CONFIG=config).output == "volume-42\n"
    shown = run_command("config", "show", KMS_CONFIG=config)
    assert shown.code == 0
    assert CLIENT_SECRET not in shown.output + shown.errors


def test_auth_key(cloud: Cloud, tmp_path: Path) -> None:
    """Made once, from a file from then on; whoever has none is warned, and reads nothing."""
    kek = cloud.kek_parameters(cloud.vaults["vault.azure.net"].make_key("RSA"))
    storage = cloud.storage_parameters(cloud.make_container())
    plain, pinned = tmp_path / "plain.toml", tmp_path / "kms.toml"
    plain.write_text(_toml(kek, storage))
    pinned.write_text(_toml(kek | {"authKeyFile": "auth-key"}, storage))
    file = str(tmp_path / "auth-key")
    assert run_command("auth-key", "--output", file, KMS_CONFIG=str(plain)).code == 0
    made = run_command("dek", "create", "volume-42", KMS_CONFIG=str(pinned))
    assert (made.code, made.errors) == (0, "")
    assert run_command("dek", "get", "volume-42", KMS_CONFIG=str(pinned)) == made
    refused = run_command("dek", "get", "volume-42", KMS_CONFIG=str(plain))
    assert refused.code == 2
    assert "can make records that open; set authKey" in refused.errors
    again = run_command("auth-key", KMS_CONFIG=str(pinned))
    assert (again.code, again.output) == (2, "")
    assert "has an authKey" in again.error


def _toml(kek: dict[str, Any], storage: dict[str, Any]) -> str:
    text = ""
    for name, table in (("kek", kek), ("storage", storage)):
        text += f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
    return text


def test_error_is_one_line(cloud: Cloud, config: str, key: str) -> None:
    cloud.vaults[HSM].keys[key][-1].enabled = False
    failed = run_command("dek", "get", "--create", "volume-42", KMS_CONFIG=config)
    assert failed.code == 1
    assert failed.error.startswith("kms://azure: wrap_dek of DEK 'volume-42': https://our-vault.")
    assert failed.error.endswith("is disabled; enable it")
