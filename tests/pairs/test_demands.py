"""A client demands of an answer only what the live service is known to give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.blob import BlobClient
from botocore.client import BaseClient
from google.cloud.storage import Blob

import kms_aws.errors
import kms_azure.errors
import kms_core
import kms_gcp.errors
from kms_core.backend import ErrorTable
from kms_core.builtin.local.key_file import new_key_file
from tests.aws.cloud import Cloud as Aws
from tests.aws.cloud import start_proxy
from tests.fakes.azure.servers import ACCOUNT
from tests.fakes.live.page import PAGE, write_page
from tests.fakes.live.table import read_table, read_tables

OURS = {
    "3xx",
    "404",
    "404 page",
    "409",
    "409 page",
    "412 page",
    "5xx",
    "<html",
    "AccessDenied by KMS",
    "a page",
    "a proxy of gRPC's",
    "certificate_verify_failed",
    "peer certificate",
    "hostname verification check",
    "no failure",
    "for now",
    "unknown tenant",
}
"""Clues of ours, and no service's words."""

ERRORS = {
    "aws": (kms_aws.errors, ("s3", "aws-kms", "aws-sts")),
    "azure": (kms_azure.errors, ("blob", "key-vault", "entra")),
    "gcp": (kms_gcp.errors, ("cloud-storage", "cloud-kms", "google-tokens")),
}


def test_the_page_is_written_from_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page()


@pytest.mark.parametrize("table", read_tables().values(), ids=read_tables())
def test_each_row_has_evidence_and_all_evidence_is_used(table: Any) -> None:
    of_rows = {key for row in table.rows for key in row.evidence.split(", ")}
    assert of_rows | {*table.codes.values()} == {*table.evidence}


@pytest.mark.parametrize("cloud", ERRORS)
def test_each_code_that_a_provider_knows_has_evidence(cloud: str) -> None:
    module, tables = ERRORS[cloud]
    found = [table for table in vars(module).values() if isinstance(table, ErrorTable)]
    known = {clue for table in found for clue in table.meanings if isinstance(clue, str)}
    assert known - OURS <= {code for name in tables for code in read_table(name).codes}


def test_an_answer_that_is_not_listed_ends_the_test(moto: Aws) -> None:
    with pytest.raises(AssertionError, match="S3: GET of a bucket 200"), start_proxy(moto) as proxy:
        assert requests.get(proxy.url, timeout=60).status_code == HTTPStatus.NOT_IMPLEMENTED


Demand = Callable[[pytest.MonkeyPatch], None]


def demand_sha256(patch: pytest.MonkeyPatch) -> None:
    """Of S3's answer to a read, a header that moto sends and S3 does not."""
    call = vars(BaseClient)["_make_api_call"]

    def demanding(self: Any, name: str, arguments: Any) -> Any:
        reply = call(self, name, arguments)
        if name == "GetObject":
            present(reply["ResponseMetadata"]["HTTPHeaders"], "x-amz-content-sha256")
        return reply

    patch.setattr(BaseClient, "_make_api_call", demanding)


def demand_creation_time(patch: pytest.MonkeyPatch) -> None:
    """Of Blob's answer to a read, a header that Azurite sends and no client of ours needs."""
    download = BlobClient.download_blob

    def demanding(*arguments: Any, **more: Any) -> Any:
        found = download(*arguments, **more)
        present(vars(found.properties), "creation_time")
        return found

    patch.setattr(BlobClient, "download_blob", demanding)


def demand_hash_of_a_range(patch: pytest.MonkeyPatch) -> None:
    """Of a part of an object, the hash that fake-gcs-server sends and Cloud Storage does not."""
    download = Blob.download_to_file

    def demanding(self: Any, sink: Any, **more: Any) -> None:
        download(self, sink, end=65536, **more)
        present(vars(self)["_properties"], "crc32c")

    patch.setattr(Blob, "download_to_file", demanding)


def present(found: Mapping[str, Any], name: str) -> None:
    if found.get(name) is None:
        raise kms_core.UnavailableError(f"the answer lacks {name}")


DEMANDS: Mapping[str, tuple[Demand, ...]] = {
    "aws": (demand_sha256,),
    "azure": (demand_creation_time,),
    "gcp": (demand_hash_of_a_range,),
}


@pytest.fixture
def straight(storage: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The same storage, without the wire before its server."""
    if storage["backend"] == "aws":
        return storage | {"endpoint": request.getfixturevalue("moto").server.url}
    if storage["backend"] == "azure":
        url = request.getfixturevalue("azure").blobs.url
        return storage | {"endpoint": f"{url}/{ACCOUNT}"}
    return storage | {"endpoint": request.getfixturevalue("gcp").front.upstream}


def use(storage: dict[str, Any], key_file: Path) -> Iterator[bytes]:
    with kms_core.open_kms(f"kms://local?keyFile={key_file}", storage) as kms:
        yield kms.get_dek("id", create=True)
        yield kms.get_dek("id")


def test_a_demand_without_evidence_is_caught(
    storage: dict[str, Any],
    straight: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test server itself meets the demand, so that without the wire nothing would show."""
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    for demand in DEMANDS[storage["backend"]]:
        demand(monkeypatch)
    assert len({*use(straight, key_file)}) == 1
    with pytest.raises(kms_core.UnavailableError, match="the answer lacks"):
        [*use(storage, key_file)]
