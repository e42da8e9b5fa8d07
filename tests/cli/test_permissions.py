"""``kms permissions``: for what is configured, and for plugins of others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from kms_core.backend import BackendConfig
from kms_core.builtin.file.storage import FileStorage
from tests.cli.running import Kms

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234"
KEK = f"kms://aws?region=eu-central-1&keyName={KEY}"


@pytest.fixture
def _with_clouds() -> None:
    for module in ("kms_aws", "kms_azure", "kms_gcp"):
        pytest.importorskip(module)


@pytest.mark.usefixtures("_with_clouds")
def test_placeholders_where_nothing_is_configured(kms: Kms) -> None:
    done = kms("permissions", "aws")
    assert "KEY_ID" in done.output
    assert "BUCKET" in done.output
    for provider in ("azure", "gcp"):
        assert kms("permissions", provider, "--for", "get").code == 0


@pytest.mark.usefixtures("_with_clouds")
def test_names_of_what_is_configured(kms: Kms) -> None:
    done = kms("--kek", KEK, "--storage", "storage://file?path=deks", "permissions", "aws")
    [statement] = json.loads(done.output)["Statement"]
    assert statement["Resource"] == KEY


@pytest.mark.usefixtures("_with_clouds")
def test_placeholders_where_another_provider_is_configured(kms: Kms) -> None:
    kms("init")
    assert kms("permissions", "aws").output == kms("permissions", "aws", KMS_CONFIG="").output


@pytest.mark.usefixtures("_with_clouds")
def test_config_that_cannot_be_read(kms: Kms, folder: Path) -> None:
    (folder / "kms.toml").write_text("[kek")
    assert "not TOML" in kms("permissions", "aws").error


@pytest.mark.parametrize(
    ("provider", "words"), [("nobody", "no installed distribution"), ("local", "its own pages")]
)
def test_provider_without_a_policy(kms: Kms, provider: str, words: str) -> None:
    done = kms("permissions", provider)
    assert done.code == 2
    assert words in done.error


def test_plugin_of_somebody_else(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_policy(purpose: str, configs: Sequence[BackendConfig], form: str) -> str:
        return f"{form} to {purpose} for {len(configs)}"

    monkeypatch.setattr(FileStorage, "write_policy", staticmethod(write_policy), raising=False)
    kms("init")
    assert kms("permissions", "file", "--for", "rewrap").output == "policy to rewrap for 1\n"
