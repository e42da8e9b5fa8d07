"""Records that were copied from a folder into a bucket, as the page on backups says, open there."""

from __future__ import annotations

import doctest
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from tests.aws.cloud import Cloud as Aws
from tests.azure.cloud import Cloud as Azure
from tests.docs.pages import DOCS, blocks
from tests.gcp.cloud import Cloud as Gcp
from tests.secret_files import write_private

IDS = ("volume-42", "Volume-42", "a/../b ü+%", "x" * 255, "ü" * 127)


def copy_as_documented(folder: Path) -> None:
    page = DOCS / "how-to" / "back-up-and-restore.md"
    (block,) = (b for b in blocks(page, "{doctest}") if "encode_object_name" in b)
    scope = {"Path": Path}
    here = Path.cwd()
    os.chdir(folder)
    try:
        for example in doctest.DocTestParser().get_examples(block)[:-1]:
            exec(example.source, scope)
    finally:
        os.chdir(here)


Put = Callable[[str, bytes], object]


def to_aws(cloud: Aws) -> tuple[dict[str, Any], Put]:
    bucket, s3 = cloud.make_bucket(), cloud.admin("s3")

    def put(name: str, data: bytes) -> None:
        s3.put_object(Bucket=bucket, Key=name, Body=data)

    return cloud.parameters | {"bucket": bucket}, put


def to_azure(cloud: Azure) -> tuple[dict[str, Any], Put]:
    container = cloud.make_container()
    return cloud.storage_parameters(container), cloud.admin(container).upload_blob


def to_gcp(cloud: Gcp) -> tuple[dict[str, Any], Put]:
    bucket = cloud.make_bucket()
    return cloud.storage_parameters(bucket), partial(cloud.front.put, bucket)


STORES: dict[str, Callable[[Any], tuple[dict[str, Any], Put]]] = {
    "aws": to_aws,
    "azure": to_azure,
    "gcp": to_gcp,
}


@pytest.mark.parametrize("cloud", STORES)
def test_from_a_folder_to_a_bucket(
    cloud: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each store reads the same bytes under the same names, with the KEK that made them."""
    kek = f"kms://local?keyFile={write_private(tmp_path / 'kek.toml', new_key_file())}"
    file = f"storage://file?path={tmp_path}/deks&createFolder=true"
    with kms_core.open_kms(kek, file) as kms:
        deks = {dek_id: kms.create_dek(dek_id) for dek_id in IDS}
    copy_as_documented(tmp_path)
    server = request.getfixturevalue("moto" if cloud == "aws" else cloud)
    parameters, put = STORES[cloud](server)
    objects = tmp_path / "objects"
    for path in objects.rglob("*.json"):
        put(str(path.relative_to(objects)), path.read_bytes())
    storage = {**parameters, "backend": cloud, "createDeks": False}
    with kms_core.open_kms(kek, storage) as kms:
        assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == deks
