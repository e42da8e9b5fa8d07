"""The documentation's list of permissions."""

from __future__ import annotations

import re

from tests.docs.pages import DOCS
from tests.fakes.gcp.accounts import PROJECT_NUMBER
from tests.gcp.cloud import BUCKET_PERMISSIONS, PROMISED, Cloud

PERMISSION = re.compile(r"^\| `((?:cloudkms|storage)\.[\w.]+)` \|", re.MULTILINE)


def test_the_documentation_lists_the_permissions(cloud: Cloud) -> None:
    """After every test what it used is looked up among the promised; these are all used."""
    creator = cloud.accounts.make(*BUCKET_PERMISSIONS)
    more = {"createBucket": True, "projectNumber": PROJECT_NUMBER}
    cloud.open_storage("documented", credentialsPath=str(creator.file), **more)
    storage = cloud.open_storage("documented")
    storage.delete_record("id", storage.create_record("id", b"data"))
    assert list(storage.list_dek_ids("")) == []
    storage.create_record("id", b"data")
    storage.load_record("id")
    kek = cloud.open_kek(cloud.make_key())
    kek.unwrap_dek(kek.wrap_dek(bytes(32), {}), {})
    kek.describe_kek()
    rows = PERMISSION.findall((DOCS / "providers" / "gcp.md").read_text("utf-8"))
    assert set(rows) == PROMISED == cloud.accounts.used
