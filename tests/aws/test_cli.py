"""The installed command, end to end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.aws.cloud import REGION, Cloud
from tests.fakes.aws.servers import SCRIPTS
from tests.secret_files import write_private


@pytest.fixture
def config(moto: Cloud, tmp_path: Path) -> Path:
    write_private(tmp_path / "secret", moto.access_key)
    aws = f"""
backend = "aws"
region = "{REGION}"
endpoint = "{moto.endpoint}"
accessKeyID = "{moto.access_key_id}"
accessKeyFile = "secret"
"""
    config = tmp_path / "kms.toml"
    config.write_text(
        f'[kek]{aws}keyName = "{moto.make_key()}"\n'
        f'[storage]{aws}bucket = "{moto.make_bucket()}"\ntags = {{ team = "storage" }}\n'
    )
    return config


def kms(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / "kms"), *map(str, arguments)]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def dek(*arguments: object, **environment: str) -> bytes:
    done = kms(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return bytes.fromhex(done.stdout)


def test_kek_and_storage_on_aws(moto: Cloud, config: Path) -> None:
    options = ("--config", config)
    made = dek(*options, "dek", "get", "--create", "volume-42")
    assert len(made) == 32
    assert dek(*options, "dek", "get", "volume-42") == made
    assert dek("dek", "get", "volume-42", KMS_CONFIG=str(config)) == made
    assert kms(*options, "dek", "list").stdout == "volume-42\n"
    shown = kms(*options, "config", "show")
    assert shown.returncode == 0
    assert moto.access_key not in shown.stdout + shown.stderr


def test_kek_on_aws_over_a_folder(moto: Cloud, config: Path) -> None:
    options = (
        "--config",
        config,
        "--storage",
        f"storage://file?path={config.parent}/deks&createFolder=true",
    )
    made = dek(*options, "dek", "get", "--create", "volume-42")
    assert dek(*options, "dek", "get", "volume-42") == made
    assert [path.name for path in config.parent.glob("deks/*.json")] == ["dek-volume-42.json"]
    bucket = kms("--config", config, "dek", "list")
    assert (bucket.returncode, bucket.stdout) == (0, "")


def test_error_says_what_to_do(moto: Cloud, config: Path) -> None:
    options = (
        "--storage",
        f"storage://aws?region={REGION}&bucket=gone&endpoint={moto.endpoint}",
    )
    credentials = {
        "AWS_ACCESS_KEY_ID": moto.access_key_id,
        "AWS_SECRET_ACCESS_KEY": moto.access_key,
    }
    done = kms("--config", config, *options, "dek", "get", "--create", "volume-42", **credentials)
    assert (done.returncode, done.stdout) == (2, "")  # a ConfigError
    [line] = done.stderr.splitlines()
    assert (
        "storage://aws: load_record of DEK 'volume-42': s3:GetObject on arn:aws:s3:::gone" in line
    )
    assert "there is no such bucket; correct bucket, or create it by createBucket=true" in line
