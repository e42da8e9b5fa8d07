"""Records that were copied from a folder into a bucket, as the page on backups says, open there."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from tests.aws.cloud import Cloud
from tests.docs.pages import DOCS, blocks
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


def test_from_a_folder_to_a_bucket(moto: Cloud, tmp_path: Path) -> None:
    kek = f"kms://local?keyFile={write_private(tmp_path / 'kek.toml', new_key_file())}"
    file = f"storage://file?path={tmp_path}/deks&createFolder=true"
    with kms_core.open_kms(kek, file) as kms:
        deks = {dek_id: kms.create_dek(dek_id) for dek_id in IDS}
    copy_as_documented(tmp_path)
    bucket, s3 = moto.make_bucket(), moto.admin("s3")
    objects = tmp_path / "objects"
    for path in objects.rglob("*.json"):
        key = str(path.relative_to(objects))
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    storage = {"backend": "aws", "bucket": bucket, "createDeks": False, **moto.parameters}
    with kms_core.open_kms(kek, storage) as kms:
        assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == deks
