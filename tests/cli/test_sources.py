from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from tests.cli.running import Kms, run_command

VOLUME = "key-00000000-0000-0000-0000-000000000000"
VECTOR = "2b5c829f691bfd4232f8aac464bccc07e605c7c8e82cbca09837e86d0b6d0665"


def cluster(byte: int) -> str:
    secret = urlsafe_b64encode(bytes([byte]) * 32).decode()
    return f"kms://cluster-kms?key={secret}&salt={secret}"


@pytest.fixture
def deks(kms: Kms) -> dict[str, str]:
    """What each source of the configuration answers for one id: all differ."""
    answers = {str(byte): get(kms, "--kek", cluster(byte)) for byte in range(3)}
    assert answers["0"] == VECTOR
    assert len(set(answers.values())) == 3
    return answers


def get(kms: Kms, *options: str, **environment: str) -> str:
    done = kms(*options, "dek", "get", "--create", VOLUME, **environment)
    assert (done.code, done.errors) == (0, "")
    return done.output.strip()


def config(folder: Path, byte: int, name: str = "kms.toml") -> str:
    path = folder / name
    path.write_text(f'kek = "{cluster(byte)}"\n')
    return str(path)


def test_the_environment_replaces_kms_toml(kms: Kms, folder: Path, deks: dict[str, str]) -> None:
    config(folder, 1)
    assert get(kms) == deks["1"]
    assert get(kms, KMS_KEK_URI=cluster(0)) == deks["0"]
    assert get(kms, KMS_CONFIG=config(folder, 2, "other.toml")) == deks["2"]


def test_an_option_replaces_the_environment(kms: Kms, folder: Path, deks: dict[str, str]) -> None:
    other = config(folder, 1, "other.toml")
    assert get(kms, "--config", other, KMS_KEK_URI=cluster(0)) == deks["1"]
    assert get(kms, "--config", other, KMS_CONFIG="nowhere.toml") == deks["1"]
    assert get(kms, "--kek", cluster(2), KMS_KEK_URI=cluster(0)) == deks["2"]


def test_within_one_source_a_uri_replaces_the_file(
    kms: Kms, folder: Path, deks: dict[str, str]
) -> None:
    other = config(folder, 1, "other.toml")
    assert get(kms, "--config", other, "--kek", cluster(2)) == deks["2"]
    assert get(kms, KMS_CONFIG=other, KMS_KEK_URI=cluster(2)) == deks["2"]


def test_an_empty_variable_is_none(kms: Kms, folder: Path, deks: dict[str, str]) -> None:
    config(folder, 1)
    assert get(kms, KMS_CONFIG="", KMS_KEK_URI="", KMS_STORAGE_URI="") == deks["1"]


def test_the_installed_command_reads_the_environment(deks: dict[str, str]) -> None:
    done = run_command("dek", "get", "--create", VOLUME, KMS_KEK_URI=cluster(1))
    assert done.output.strip() == deks["1"]


def test_nothing_configured(kms: Kms) -> None:
    done = kms("dek", "get", "--create", "a")
    assert (done.code, done.output) == (2, "")
    assert done.error.startswith("no KEK is configured; run `kms init`")


def test_paths_start_at_the_config_file(
    kms: Kms, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms("init")
    dek = kms("dek", "get", "--create", "a").output
    monkeypatch.chdir(tmp_path)
    assert kms("--config", "here/kms.toml", "dek", "get", "--create", "a").output == dek
    assert kms("dek", "get", "--create", "a", KMS_CONFIG=str(folder / "kms.toml")).output == dek
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_paths_in_an_option_start_here(kms: Kms) -> None:
    kms("init")
    dek = kms("dek", "get", "--create", "a").output
    uris = ("--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://file?path=deks")
    assert kms(*uris, "dek", "get", "--create", "a").output == dek


PROFILES = f"""
kek = "{cluster(0)}"
profile.one.kek = "{cluster(1)}"
profile.two.kek = "{cluster(2)}"
"""


def test_a_profile_of_whichever_file_is_read(kms: Kms, folder: Path, deks: dict[str, str]) -> None:
    (folder / "kms.toml").write_text(PROFILES)
    assert get(kms) == deks["0"]
    assert get(kms, "--profile", "one") == deks["1"]
    assert get(kms, KMS_PROFILE="one") == deks["1"]
    assert get(kms, "--profile", "two", KMS_PROFILE="one") == deks["2"]
    (folder / "kms.toml").rename(folder / "other.toml")
    assert get(kms, "--profile", "one", KMS_CONFIG="other.toml") == deks["1"]
    assert get(kms, KMS_PROFILE="two", KMS_CONFIG="other.toml") == deks["2"]
    assert get(kms, "--config", "other.toml", "--profile", "one") == deks["1"]
    assert get(kms, "--config", "other.toml", KMS_PROFILE="one") == deks["0"]


def test_a_profile_that_is_not_there(kms: Kms, folder: Path) -> None:
    assert "is one of a config file" in kms("--profile", "one", "dek", "list").error
    (folder / "kms.toml").write_text(PROFILES)
    done = kms("--profile", "tow", "dek", "list")
    assert (done.code, done.error) == (
        2,
        "kms.toml: there is no profile 'tow'; it has one, two",
    )
