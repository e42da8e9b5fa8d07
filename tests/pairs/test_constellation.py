"""What Constellation's own library stored is imported through each cloud, byte for byte."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import kms_core
from kms_core import Kms, Outcome
from kms_core.builtin.local.key_file import new_key_file
from tests.aws import cloud as aws
from tests.azure import cloud as azure
from tests.cli.running import run_command
from tests.fakes.aws.servers import start_moto
from tests.fakes.azure.key_vault import Version
from tests.fakes.gcp.kms_server import Key
from tests.fakes.gcp.kms_server import Version as GcpVersion
from tests.gcp import cloud as gcp
from tests.gcp.conftest import ROOTS
from tests.pairs.conftest import CLOUDS
from tests.secret_files import write_private

FOLDER = Path(__file__).parent / "constellation"


@dataclass(frozen=True)
class Source:
    """A cloud in which Constellation's library stored DEKs.

    Attributes:
        kek: what a config says of the KEK.
        storage: what it says of the storage.
        put: stores an object there.
        deks: what the library returned, by id.
    """

    kek: dict[str, Any]
    storage: dict[str, Any]
    put: Callable[[str, bytes], object]
    deks: dict[str, bytes]

    def imported(self, kms: Kms, prefix: str = "", *, dry_run: bool = False) -> list[Outcome]:
        """What becomes of each object."""
        with kms_core.open_kms(self.kek, self.storage) as there:
            return list(kms.import_constellation(there, prefix, dry_run=dry_run))


@contextmanager
def in_aws(made: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], Any]]:
    kek = made["kek"]
    with start_moto(key=f"{kek['arn']} {kek['moto_key_material_base64']}") as server:
        cloud = aws.Cloud(server)
        bucket, s3 = cloud.make_bucket(), cloud.admin("s3")
        yield (
            {"backend": "aws", "keyName": kek["arn"], **cloud.parameters},
            {"backend": "aws", "bucket": bucket, **cloud.parameters},
            lambda name, data: s3.put_object(Bucket=bucket, Key=name, Body=data),
        )


@contextmanager
def in_azure(
    made: dict[str, Any], cloud: azure.Cloud
) -> Iterator[tuple[dict[str, Any], dict[str, Any], Any]]:
    [key] = made["keys"]
    vault, container = cloud.vaults["vault.azure.net"], cloud.make_container()
    vault.keys[key["name"]] = [azure_version(version) for version in key["versions"]]
    put = cloud.admin(container).upload_blob
    yield cloud.kek_parameters(key["name"]), cloud.storage_parameters(container), put


def azure_version(made: dict[str, Any]) -> Version:
    p, q, e = int(made["rsa_p_hex"], 16), int(made["rsa_q_hex"], 16), made["rsa_e"]
    d = rsa.rsa_recover_private_exponent(e, p, q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(e, p * q))
    version = Version("RSA", name=made["version"])
    version.rsa = numbers.private_key()
    return version


@contextmanager
def in_gcp(
    made: dict[str, Any], cloud: gcp.Cloud
) -> Iterator[tuple[dict[str, Any], dict[str, Any], Any]]:
    _, project, _, location, _, ring, _, name = made["crypto_key"].split("/")
    versions = [GcpVersion(b64decode(text)) for text in made["version_material_base64"].values()]
    cloud.kms.keys[made["crypto_key"]] = Key(versions=versions, primary=len(versions))
    where = {"projectID": project, "location": location, "keyRing": ring}
    bucket = cloud.make_bucket()
    yield (
        {"backend": "gcp", **cloud.kek_parameters(name, **where)},
        {"backend": "gcp", **cloud.storage_parameters(bucket)},
        lambda name, data: cloud.front.put(bucket, name, data),
    )


@pytest.fixture(params=CLOUDS)
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    """Each cloud, with the records in it."""
    made = json.loads((FOLDER / f"{request.param}.json").read_text("utf-8"))
    if request.param == "aws":
        opened = in_aws(made)
    elif request.param == "azure":
        opened = in_azure(made, request.getfixturevalue("azure"))
    else:
        opened = in_gcp(made, request.getfixturevalue("gcp"))
    with opened as (kek, storage, put):
        deks = {r["dek_id"]: b64decode(r["dek_base64"]) for r in made["records"]}
        for record in made["records"]:
            put(record["dek_id"], b64decode(record["record_base64"]))
        yield Source(kek, storage, put, deks)


@pytest.fixture
def kms(tmp_path: Path) -> Iterator[Kms]:
    """Where they go."""
    kek = f"kms://local?keyFile={write_private(tmp_path / 'kek.toml', new_key_file())}"
    with kms_core.open_kms(kek, f"storage://file?path={tmp_path}/deks&createFolder=true") as kms:
        yield kms


def count(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.outcome for outcome in outcomes)


def test_what_its_library_stored(source: Source, kms: Kms) -> None:
    number = len(source.deks)
    assert count(source.imported(kms, dry_run=True)) == {"done": number}
    assert list(kms.list_dek_ids()) == []
    assert count(source.imported(kms, "key-none")) == {}
    assert count(source.imported(kms)) == {"done": number}
    assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == source.deks
    assert count(source.imported(kms)) == {"unchanged": number}


def test_into_the_bucket_that_it_is_in(source: Source) -> None:
    with kms_core.open_kms(source.kek, source.storage) as kms:
        assert count(source.imported(kms)) == {"done": len(source.deks)}
        assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == source.deks
        again = source.imported(kms)  # now there are records of ours as well
        assert {*count(again)} == {"unchanged"}
        assert {outcome.dek_id for outcome in again} > {*source.deks}


def uri(parameters: dict[str, Any], scheme: str) -> str:
    others = {name: value for name, value in parameters.items() if name != "backend"}
    return f"{scheme}://{parameters['backend']}?{urlencode(others, quote_via=quote)}"


@pytest.mark.rest
def test_by_the_command(source: Source, tmp_path: Path) -> None:
    here = ("--config", str(tmp_path / "kms.toml"))
    assert run_command(*here, "init").code == 0
    given = {n: os.environ[n] for n in ("REQUESTS_CA_BUNDLE", ROOTS) if n in os.environ}
    done = run_command(
        *(*here, "dek", "import", "constellation"),
        *("--from", uri(source.storage, "storage"), "--from-kek", uri(source.kek, "kms")),
        **given,
    )
    assert (done.code, done.output) == (0, f"{len(source.deks)} imported\n")
    dek_id, *_ = source.deks
    assert bytes.fromhex(run_command(*here, "dek", "get", dek_id).output) == source.deks[dek_id]


def test_what_is_no_record_is_named_and_left(source: Source, kms: Kms) -> None:
    source.put("key-old", b"\x01\x02\x02\x00x of GenerateDataKey, from before version 2.6")
    source.put("notes.txt", b"{}")
    dek_id, *_ = source.deks
    kms.create_dek(dek_id)
    outcomes = {outcome.dek_id: outcome for outcome in source.imported(kms)}
    assert {
        outcome.outcome for i, outcome in outcomes.items() if i in {*source.deks} - {dek_id}
    } <= {"done"}
    assert isinstance(outcomes[dek_id].error, kms_core.DekExistsError)
    for name in ("key-old", "notes.txt"):
        assert isinstance(outcomes[name].error, kms_core.RecordError)
        assert "older version" in str(outcomes[name].error)


def test_a_managed_hsm_that_answers_one_byte_more(azure: azure.Cloud, kms: Kms) -> None:
    made = json.loads((FOLDER / "azure.json").read_text("utf-8"))
    with in_azure(made, azure) as (kek, storage, put):
        for record in made["records"]:
            put(record["dek_id"], b64decode(record["record_base64"]))
        vault = azure.vaults["vault.azure.net"]
        vault.extra_byte = True
        try:
            assert count(Source(kek, storage, put, {}).imported(kms)) == {"done": 2}
        finally:
            vault.extra_byte = False
