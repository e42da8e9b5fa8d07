"""The command ``kms`` against our managed HSM and Azurite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.azure.cloud import Cloud
from tests.cli.running import run_command
from tests.fakes.azure.servers import CLIENT_SECRET

HSM = "managedhsm.azure.net"


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[HSM].make_key("oct-HSM")


@pytest.fixture
def config(cloud: Cloud, key: str, tmp_path: Path) -> str:
    """A config file; the secret stands in a file of its own."""
    (tmp_path / "secret").write_text(CLIENT_SECRET)
    storage = cloud.storage_parameters(cloud.make_container())
    text = ""
    for name, table in (("kek", cloud.kek_parameters(key, HSM)), ("storage", storage)):
        table["clientSecretFile"] = table.pop("clientSecret") and "secret"
        text += f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items())
    (tmp_path / "kms.toml").write_text(text)
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


def test_error_is_one_line(cloud: Cloud, config: str, key: str) -> None:
    cloud.vaults[HSM].keys[key][-1].enabled = False
    failed = run_command("dek", "get", "--create", "volume-42", KMS_CONFIG=config)
    assert failed.code == 1
    assert failed.error.startswith("kms://azure: wrap_dek of DEK 'volume-42': https://our-vault.")
    assert failed.error.endswith("is disabled; enable it")
