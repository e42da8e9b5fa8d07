"""``kms init aws|azure|gcp``: asked on a real terminal, and nowhere else."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pexpect
import pytest

from tests.cli.running import COMMAND, Kms, clean_environment

pytest.importorskip("kms_aws")

ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASKED = {
    "aws": [("KMS key", ARN), ("region .*eu-west-1", ""), ("S3 bucket", "my-deks")],
    "azure": [
        ("vault", "https://my-vault.vault.azure.net"),
        ("vaultName is no vault's name.*vault", "my-vault"),
        ("ends in .vault.azure.net", ""),
        ("name of the key", "deks"),
        ("authentication key.*new", "it is none"),
        ("authKey is not what `kms auth-key` wrote.*authentication key", "none"),
        ("account", "mydeks"),
        ("container", "records"),
    ],
    "gcp": [
        ("project", "my-project"),
        ("location", "europe-west3-a"),
        ("location is no location.*location", "europe-west3"),
        ("ring", "my-ring"),
        ("key in it", "deks"),
        ("bucket", "my-deks"),
    ],
}
WRITTEN = {
    "aws": {
        "kek": {"backend": "aws", "keyName": ARN, "region": "eu-west-1"},
        "storage": {"backend": "aws", "region": "eu-west-1", "bucket": "my-deks"},
    },
    "azure": {
        "kek": {
            "backend": "azure",
            "vaultName": "my-vault",
            "vaultType": "vault.azure.net",
            "keyName": "deks",
        },
        "storage": {"backend": "azure", "account": "mydeks", "container": "records"},
    },
    "gcp": {
        "kek": {
            "backend": "gcp",
            "projectID": "my-project",
            "location": "europe-west3",
            "keyRing": "my-ring",
            "keyName": "deks",
        },
        "storage": {"backend": "gcp", "projectID": "my-project", "bucket": "my-deks"},
    },
}
_OPTIONS = {
    "aws": f"--key-name {ARN} --bucket my-deks",
    "azure": "--vault-name my-vault --key-name deks --account mydeks --container records",
    "gcp": "--project-id my-project --location europe-west3 --key-ring my-ring --key-name deks "
    "--bucket my-deks",
}
OPTIONS = {cloud: options.split() for cloud, options in _OPTIONS.items()}


def on_terminal(*arguments: str) -> pexpect.spawn:
    return pexpect.spawn(
        str(COMMAND), [*arguments], env=clean_environment({}), encoding="utf-8", timeout=120
    )


def read(path: Path) -> object:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return tomllib.loads(path.read_text())


@pytest.mark.parametrize("cloud", ASKED)
def test_it_asks_on_a_terminal(kms: Kms, folder: Path, cloud: str) -> None:
    asking = on_terminal("init", cloud)
    for question, answer in ASKED[cloud]:
        asking.expect(f"(?s){question}.*: ")
        asking.sendline(answer)
    asking.expect(r"Try it now by `kms doctor`\? \[Y/n\]: ")
    asking.sendline("n")
    asking.expect_exact("kms: now try: kms doctor")
    asking.expect(pexpect.EOF)
    assert asking.wait() == 0
    assert read(folder / "kms.toml") == WRITTEN[cloud]
    assert kms("config", "check").code == 0


@pytest.mark.parametrize("cloud", ASKED)
def test_each_answer_is_an_option_too(kms: Kms, folder: Path, cloud: str) -> None:
    done = kms("--config", "a.toml", "init", cloud, *OPTIONS[cloud])
    assert (done.code, done.output) == (0, "a.toml\n")
    assert done.errors == "kms: wrote\nkms: now try: kms --config a.toml doctor\n"
    assert read(folder / "a.toml") == WRITTEN[cloud]


@pytest.mark.parametrize("cloud", ASKED)
def test_without_a_terminal_nothing_is_asked(kms: Kms, folder: Path, cloud: str) -> None:
    done = kms("init", cloud, *OPTIONS[cloud][2:-2])
    assert done.code == 2
    first, *_, last = (option for option in OPTIONS[cloud] if option.startswith("--"))
    assert done.error.startswith(f"give {first}, ")
    assert f"{last}, or run it on a terminal" in done.error
    assert list(folder.iterdir()) == []


def test_a_terminal_is_not_asked_for_what_options_say(folder: Path) -> None:
    given = ("--key-name", "alias/x", "--region", "eu-west-1", "--no-doctor")
    asking = on_terminal("init", "aws", *given)
    asking.expect(r"^The S3 bucket for the records: ")
    asking.sendline("my-deks")
    asking.expect_exact("kms: now try: kms doctor")
    asking.expect(pexpect.EOF)
    assert (folder / "kms.toml").exists()


def test_what_does_not_go_together_is_not_written(kms: Kms, folder: Path) -> None:
    done = kms("init", "aws", *OPTIONS["aws"], "--region", "us-east-1")
    assert done.code == 2
    assert "keyName is in region 'eu-west-1' and region says 'us-east-1'" in done.error
    assert list(folder.iterdir()) == []


def test_what_is_there_is_said_before_anything_is_asked(kms: Kms, folder: Path) -> None:
    (folder / "kms.toml").write_text("mine")
    assert "never overwritten: kms.toml" in kms("init", "aws").error


def test_doctor_tries_what_was_written(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def examine(sources: object, *_: object) -> None:
        seen.append(sources)

    monkeypatch.setattr("kms_core._doctor.examination.examine", examine)
    done = kms("--config", "a.toml", "init", "gcp", *OPTIONS["gcp"], "--doctor")
    assert [str(one.config) for one in seen] == ["a.toml"]  # type: ignore[attr-defined] # Sources
    assert "get_dek would" in done.output


def test_a_cloud_and_a_kek(kms: Kms) -> None:
    assert "takes no --kek" in kms("init", "--kek", "local", "aws", *OPTIONS["aws"]).error
