"""The JSON Schema takes what the program takes, and refuses what it refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from kms_core._plugins.metadata import forget
from kms_core.cli.config_schema import file_schema
from kms_core.cli.main import kms
from kms_core.cli.session import Session
from tests.cli.running import install
from tests.docs.pages import PAGES, blocks, name


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(json.dumps(file_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{name(page)}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(page, "toml"), 1)
    ],
)
def test_every_file_in_the_docs_is_right(validator: Any, text: str) -> None:
    assert [error.message for error in validator.iter_errors(tomllib.loads(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "kek = 1",
        "kek = []",
        "kek = 'storage://file?path=x'",
        "kec = 'kms://local?keyFile=x'",
        "[kek]\nbackend = 'locl'\nkeyFile = 'x'",
        "[kek]\nkeyFile = 'x'",
        "[kek]\nbackend = 'local'",
        "[kek]\nbackend = 'local'\nkeyfile = 'x'",
        "[kek]\nbackend = 'local'\nkeyFile = 7",
        "[kek]\nbackend = 'local'\nkeyFile = 'x'\nretiredVersions = [1]",
        "[kek]\nbackend = 'local'\nkeyFile = 'x'\ncreateDeks = true",
        "[kek]\nbackend = 'aws'\nregion = 'eu central'\nkeyName = 'x'",
        "[kek]\nbackend = 'aws'\nregion = 'eu'\nkeyName = ''",
        "[kek]\nbackend = 'aws'\nregion = 'eu'\nkeyName = 'x'\nreadTimeout = 301",
        "[kek]\nbackend = 'aws'\nregion = 'eu'\nkeyName = 'x'\nmaxAttempts = 1.5",
        "[storage]\nbackend = 'aws'\nregion = 'eu'\nbucket = 'abc'\nsse = 'x'",
        "[storage]\nbackend = 'file'\npath = 'x'\ncreateDeks = 'no'",
        "observers = 'log'",
        "observers = [{ backend = 'log', loger = 'x' }]",
        "cache = { maxUses = 1 }",
        "cache = { ttl = -1 }",
        "cache = { ttl = 1, maxUses = 0 }",
        "cache = { ttl = 1, size = 0 }",
        "profile = 1",
        "profile.a = 'kms://local?keyFile=x'",
        "profile.a.kec = 'kms://local?keyFile=x'",
        "profile.a.profile.b.kek = 'kms://local?keyFile=x'",
    ],
)
def test_wrong_ones_are_refused(validator: Any, text: str) -> None:
    assert not validator.is_valid(tomllib.loads(text))


RIGHT = """
observers = ["log", "${OBSERVER}", { backend = "audit", path = "x", keyFile = "y" }]
kek = ["${KEK}", { backend = "azure", vaultName = "${V}", keyName = "k", readTimeout = "${T}" }]
[storage]
backend = "aws"
region = "${REGION}"
bucket = "deks"
createDeks = "${CREATE}"
tags = { team = "a" }
[cache]
ttl = "${TTL}"
maxUses = 7
[profile.p.kek]
backend = "cluster-kms"
saltFile = "salt"
"""


def test_right_ones_are_taken(validator: Any) -> None:
    assert [error.message for error in validator.iter_errors(tomllib.loads(RIGHT))] == []


def test_an_editor_is_told_what_a_parameter_means(validator: Any) -> None:
    table = validator.schema["$defs"]["storage-aws"]
    assert table["description"] == "A bucket of S3 or of an S3-compatible store."
    assert table["properties"]["bucket"]["description"].startswith("the bucket's name, or the ARN")
    assert table["properties"]["deadline"]["description"].startswith("seconds after which a call")


def test_the_command_leaves_out_what_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "kms-broken", "[kms.kek]\nbroken = nowhere_at_all:Kek\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    forget()
    done = CliRunner().invoke(kms, ["config", "schema"], obj=Session())
    assert done.exit_code == 0
    assert "kms: left out: kms://broken of kms-broken 7 cannot be loaded" in done.stderr
    assert "kms-local" in json.loads(done.stdout)["$defs"]
    assert "kms-broken" not in json.loads(done.stdout)["$defs"]
