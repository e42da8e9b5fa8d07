"""``storage://azure``: names, folders, containers and permissions."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex

import pytest

from kms_core import AccessDeniedError, ConfigError, RecordError, UnavailableError, open_kms
from kms_core.backend import MAX_RECORD_SIZE
from tests.azure.cloud import Cloud
from tests.fakes.azure.faults import blob_error, start_proxy
from tests.fakes.certificates import Certificates
from tests.fakes.proxy import say

DENIED = blob_error(403, "AuthorizationPermissionMismatch")


@pytest.fixture
def container(cloud: Cloud) -> str:
    return cloud.make_container()


def test_blobs_of_others_are_not_listed(cloud: Cloud, container: str) -> None:
    storage = cloud.open_storage(container)
    storage.create_record("id", b"data")
    cloud.open_storage(container, prefix="folder").create_record("inside", b"data")
    cloud.admin(container).upload_blob("note.txt", b"")
    assert list(storage.list_dek_ids("")) == ["id"]


def test_prefix(cloud: Cloud, container: str) -> None:
    one = cloud.open_storage(container, prefix="my/deks")
    one.create_record("id", b"one")
    cloud.open_storage(container, prefix="my/deks-2").create_record("id", b"two")
    assert one.load_record("id").data == b"one"
    assert list(one.list_dek_ids("")) == ["id"]
    url = f"{cloud.account_url}/{container}/my/deks/"
    assert one.describe_storage().location == url
    names = set(cloud.admin(container).list_blob_names())
    assert names == {"my/deks/id.json", "my/deks-2/id.json"}


def test_old_records(cloud: Cloud, container: str) -> None:
    """A snapshot is Azurite's own; a version and a deleted blob are as our server tells them."""
    storage = cloud.open_storage(container, prefix="folder")
    storage.create_record("a", b"data")
    cloud.admin(container).get_blob_client("folder/a.json").create_snapshot()
    assert [storage.count_old_records(prefix) for prefix in ("", "a", "b")] == [1, 1, 0]
    assert list(storage.list_dek_ids("")) == ["a"]
    cloud.store.keeping.add(container)
    storage.replace_record("a", b"more", storage.load_record("a").revision)
    assert storage.count_old_records("") == 2


DELETED = b"""<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>a.json</Name>
<Deleted>true</Deleted><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>
<BlobType>BlockBlob</BlobType></Properties></Blob><Blob><Name>a.json</Name><VersionId>2</VersionId>
<IsCurrentVersion>true</IsCurrentVersion><Properties><BlobType>BlockBlob</BlobType></Properties>
</Blob></Blobs><NextMarker/></EnumerationResults>"""


def test_deleted_blobs(cloud: Cloud, container: str, certificates: Certificates) -> None:
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        proxy.spoil("GET container", say(200, DELETED, Content_Type="application/xml"))
        behind = cloud.reached_at({"azurite": proxy.url}).open_storage(container)
        assert behind.count_old_records("") == 1


def test_blob(cloud: Cloud, container: str) -> None:
    cloud.open_storage(container).create_record("id", b"data")
    found = cloud.admin(container).get_blob_client("id.json").get_blob_properties()
    assert found.content_settings.content_type == "application/json"


def test_oversized_blob(cloud: Cloud, container: str) -> None:
    kek = cloud.kek_parameters(cloud.vaults["vault.azure.net"].make_key("RSA"))
    cloud.admin(container).upload_blob("id.json", bytes(MAX_RECORD_SIZE + 1))
    with open_kms(kek, cloud.storage_parameters(container)) as kms, pytest.raises(RecordError):
        kms.get_dek("id", create=True)


def test_missing_container(cloud: Cloud) -> None:
    storage = cloud.open_storage("no-such-container")
    for use in (
        lambda: storage.load_record("id"),
        lambda: storage.create_record("id", b"data"),
        lambda: list(storage.list_dek_ids("")),
    ):
        with pytest.raises(ConfigError, match="no such container; correct container, or create it"):
            use()


def test_create_container(cloud: Cloud, certificates: Certificates) -> None:
    """Only when it is missing; that it is there is seen by blobs/read alone."""
    new = f"new-{token_hex(6)}"
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        behind = cloud.reached_at({"azurite": proxy.url})
        behind.open_storage(new, createContainer="true").create_record("id", b"data")
        assert proxy.seen == ["HEAD blob", "PUT container", "PUT blob"]
        proxy.seen.clear()
        proxy.spoil("PUT container", DENIED)
        again = behind.open_storage(new, createContainer="true")
        assert again.load_record("id").data == b"data"
        assert proxy.seen == ["HEAD blob", "GET blob"]
        with pytest.raises(AccessDeniedError, match="containers/write on https://"):
            behind.open_storage(f"more-{token_hex(6)}", createContainer="true")


def test_create_container_that_others_create(cloud: Cloud, certificates: Certificates) -> None:
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        behind = cloud.reached_at({"azurite": proxy.url})
        proxy.spoil("HEAD blob", blob_error(404, "ContainerNotFound"))
        container = behind.make_container()
        behind.open_storage(container, createContainer="true").create_record("id", b"data")
        proxy.spoil("PUT container", blob_error(409, "ContainerBeingDeleted"))
        with pytest.raises(UnavailableError, match="being deleted"):
            behind.open_storage(container, createContainer="true")


def test_a_container_that_may_not_be_looked_at(cloud: Cloud, certificates: Certificates) -> None:
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        proxy.spoil("HEAD blob", DENIED)
        behind = cloud.reached_at({"azurite": proxy.url})
        with pytest.raises(AccessDeniedError, match="blobs/read on https://"):
            behind.open_storage("container", createContainer="true")


CALLS = {
    "GET blob": "blobs/read",
    "PUT blob": "blobs/add/action and blobs/write",
    "DELETE blob": "blobs/delete",
    "GET container": "blobs/read",
}


@pytest.mark.parametrize("denied", CALLS)
def test_missing_permission(
    cloud: Cloud, container: str, certificates: Certificates, denied: str
) -> None:
    """Only the use of the missing permission fails, and names it and a role that has it."""
    revision = cloud.open_storage(container).create_record("id", b"data")
    with start_proxy(cloud.endpoints["azurite"], certificates) as proxy:
        proxy.spoil(denied, DENIED)
        storage = cloud.reached_at({"azurite": proxy.url}).open_storage(container)
        uses: dict[str, Callable[[], object]] = {
            "GET blob": lambda: storage.load_record("id"),
            "PUT blob": lambda: storage.create_record("new", b"data"),
            "GET container": lambda: list(storage.list_dek_ids("")),
            "DELETE blob": lambda: storage.delete_record("id", revision),
        }
        for call, use in uses.items():
            if call != denied:
                use()
                continue
            with pytest.raises(AccessDeniedError) as caught:
                use()
            assert f"{CALLS[call]} on https://" in str(caught.value)
            assert "by the role Storage Blob Data Contributor" in str(caught.value)
