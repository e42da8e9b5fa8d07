"""``storage://gcp``: names, buckets and permissions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekNotFoundError,
    Kms,
    OperationError,
    UnavailableError,
)
from kms_gcp.storage import GcpStorage
from tests.fakes.gcp.accounts import PROJECT_NUMBER
from tests.fakes.gcp.storage_server import say
from tests.fakes.proxy import Exchange, Reply
from tests.gcp.cloud import BUCKET_PERMISSIONS, MORE_PERMISSIONS, RECORD_PERMISSIONS, Cloud
from tests.gcp.failing import fails

# The SDK leaves a refused download to the garbage collector, its socket open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

GET, CREATE, DELETE, LIST = (
    f"storage.objects.{action}" for action in ("get", "create", "delete", "list")
)


def test_one_token_and_one_client_for_all_calls(cloud: Cloud, storage: GcpStorage) -> None:
    before = len(cloud.accounts.tokens)
    for number in range(5):
        storage.create_record(f"id-{number}", b"data")
        storage.load_record(f"id-{number}")
    assert len(cloud.accounts.tokens) == before + 1


def test_the_proxy_is_chosen_when_it_is_opened(
    storage: GcpStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a session that looked at each call, the variable that is set later would be obeyed."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    session, url = storage._client.get()._http, "https://storage.googleapis.com"
    found = session.merge_environment_settings(url, {}, None, None, None)
    assert "https" not in found["proxies"]


def object_names(cloud: Cloud, bucket: str) -> list[str]:
    reply = cloud.front.send("GET", f"/storage/v1/b/{bucket}/o")
    return [item["name"] for item in json.loads(reply.body).get("items", [])]


def test_old_records_of_a_bucket_that_keeps_deleted_ones(
    cloud: Cloud, bucket: str, storage: GcpStorage
) -> None:
    assert storage.count_old_records("") == 0, "a bucket without the policy refuses to tell"
    cloud.front.soft_deleting.add(bucket)
    for dek_id in ("a", "ab"):
        storage.delete_record(dek_id, storage.create_record(dek_id, b"data"))
    cloud.front.keep_versions(bucket)
    storage.replace_record("b", b"more", storage.create_record("b", b"data"))
    counts = [storage.count_old_records(prefix) for prefix in ("", "a", "ab", "b", "c")]
    assert counts == [3, 2, 1, 1, 0]


def test_other_refusals_of_a_listing_are_no_count(cloud: Cloud, storage: GcpStorage) -> None:
    cloud.front.spoil("storage.objects.list", say(400))
    fails(OperationError, lambda: storage.count_old_records(""))


def test_object_names(cloud: Cloud, bucket: str, storage: GcpStorage) -> None:
    for dek_id in (".", "volume/42", "\u00e9", ".well-known/acme-challenge/x"):
        storage.create_record(dek_id, b"data")
    assert sorted(object_names(cloud, bucket)) == sorted(
        ["..json", "volume~2F42.json", "~C3~A9.json", ".well-known~2Facme-challenge~2Fx.json"]
    )


def test_prefix_is_a_folder(cloud: Cloud, bucket: str) -> None:
    plain, folder = cloud.open_storage(bucket), cloud.open_storage(bucket, prefix="a/b")
    revision = folder.create_record("id", b"data")
    assert object_names(cloud, bucket) == ["a/b/id.json"]
    assert folder.load_record("id").revision == revision
    assert (list(folder.list_dek_ids("i")), list(plain.list_dek_ids(""))) == (["id"], [])
    fails(DekNotFoundError, lambda: plain.load_record("id"))
    assert folder.describe_storage().location == f"gs://{bucket}/a/b/ at {cloud.front.url}"


def test_other_objects_are_no_records(cloud: Cloud, bucket: str, storage: GcpStorage) -> None:
    for name in ("notes.txt", "a~20b.json", "x~2fy.json", ".json", "folder/a.json"):
        cloud.front.put(bucket, name, b"data")
    storage.create_record("id", b"data")
    assert sorted(storage.list_dek_ids("")) == ["a b", "id"]


@pytest.mark.parametrize("revision", ["", "x", "-1", "1e3", "\u0664"])
def test_revision_of_another_shape(storage: GcpStorage, revision: str) -> None:
    storage.create_record("id", b"data")
    fails(ConflictError, lambda: storage.replace_record("id", b"new", revision), retryable=True)
    fails(ConflictError, lambda: storage.delete_record("id", revision), retryable=True)
    assert storage.load_record("id").data == b"data"


@pytest.mark.parametrize("missing", [*RECORD_PERMISSIONS, *MORE_PERMISSIONS])
def test_missing_permission(cloud: Cloud, bucket: str, storage: GcpStorage, missing: str) -> None:
    revision = storage.create_record("id", b"data")
    account = cloud.accounts.make(
        *(p for p in (*RECORD_PERMISSIONS, *MORE_PERMISSIONS) if p != missing)
    )
    poor = cloud.open_storage(bucket, credentialsPath=str(account.file))
    uses: Mapping[str, Callable[[], object]] = {
        GET: lambda: poor.load_record("id"),
        CREATE: lambda: poor.create_record("new", b"data"),
        LIST: lambda: list(poor.list_dek_ids("")),
        DELETE: lambda: poor.delete_record("id", revision),
    }
    for permission, use in uses.items():
        if permission == missing:
            assert f"{missing} on gs://{bucket}/" in str(fails(AccessDeniedError, use))
        else:
            use()


def test_overwriting_needs_delete(cloud: Cloud, bucket: str, storage: GcpStorage) -> None:
    revision = storage.create_record("id", b"data")
    account = cloud.accounts.make(*RECORD_PERMISSIONS)
    poor = cloud.open_storage(bucket, credentialsPath=str(account.file))
    error = fails(AccessDeniedError, lambda: poor.replace_record("id", b"new", revision))
    assert DELETE in str(error)


def test_missing_record_that_the_service_hides(cloud: Cloud, kms: Kms) -> None:
    """Cloud Storage says 403 of what is missing to those who may not list."""

    def hide(exchange: Exchange) -> None:
        reply = exchange.forward()
        problem = "Permission 'storage.objects.list' denied on resource (or it may not exist)."
        (say(403, problem) if reply.status == 404 else lambda x: x.answer(reply))(exchange)

    cloud.front.spoil(GET, hide)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek
    error = fails(AccessDeniedError, lambda: kms.get_dek("new", create=False))
    assert "storage.objects.list" in str(error)


def test_missing_bucket(cloud: Cloud) -> None:
    storage = cloud.open_storage("a-bucket-that-is-missing")
    fails(ConfigError, lambda: storage.create_record("id", b"data"))
    fails(ConfigError, lambda: list(storage.list_dek_ids("")))


@pytest.fixture
def creator(cloud: Cloud) -> dict[str, object]:
    account = cloud.accounts.make(*RECORD_PERMISSIONS, *BUCKET_PERMISSIONS)
    return {
        "credentialsPath": str(account.file),
        "createBucket": True,
        "projectNumber": PROJECT_NUMBER,
    }


def test_missing_bucket_is_created(cloud: Cloud, creator: dict[str, object]) -> None:
    storage = cloud.open_storage("a-bucket-to-create", **creator)
    storage.create_record("id", b"data")
    cloud.accounts.used.clear()
    cloud.open_storage("a-bucket-to-create", **creator)
    assert cloud.accounts.used == {"storage.buckets.get"}


def test_bucket_as_an_organization_demands_it(cloud: Cloud, creator: dict[str, object]) -> None:
    asked: list[dict[str, object]] = []

    def look(exchange: Exchange) -> None:
        asked.append(json.loads(exchange.body))
        exchange.answer(exchange.forward())

    cloud.front.spoil("storage.buckets.create", look)
    cloud.open_storage("a-bucket-in-europe", **creator, location="europe-west3")
    [bucket] = asked
    assert bucket["location"] == "europe-west3"
    access = bucket["iamConfiguration"]
    assert isinstance(access, dict)
    assert access["uniformBucketLevelAccess"]["enabled"]
    assert access["publicAccessPrevention"] == "enforced"


def test_bucket_that_an_organization_refuses(cloud: Cloud, creator: dict[str, object]) -> None:
    problem = "'us' violates constraint 'constraints/gcp.resourceLocations'"
    cloud.front.spoil("storage.buckets.create", say(412, problem, "conditionNotMet"))
    error = fails(ConfigError, lambda: cloud.open_storage("a-bucket-refused", **creator))
    assert "an organization policy refuses such a bucket; give a location" in str(error)


@pytest.mark.parametrize("permission", ["storage.buckets.get", "storage.buckets.create"])
def test_bucket_answer_that_is_no_object(
    cloud: Cloud, creator: dict[str, object], permission: str
) -> None:
    odd = Reply(200, b"[]", [("Content-Type", "application/json")])
    cloud.front.spoil(permission, lambda exchange: exchange.answer(odd))
    name = f"a-bucket-of-odd-{permission.rpartition('.')[2]}"
    fails(UnavailableError, lambda: cloud.open_storage(name, **creator), retryable=True)


def test_bucket_of_another_project(cloud: Cloud, bucket: str, creator: dict[str, object]) -> None:
    error = fails(
        ConfigError, lambda: cloud.open_storage(bucket, **creator | {"projectNumber": "123"})
    )
    assert "is another project's" in str(error)


def test_bucket_that_somebody_else_creates_meanwhile(
    cloud: Cloud, creator: dict[str, object]
) -> None:
    def overtake(exchange: Exchange) -> None:
        cloud.front.make_bucket("a-bucket-of-a-race")
        exchange.answer(exchange.forward())

    cloud.front.spoil("storage.buckets.create", overtake, times=1)
    cloud.open_storage("a-bucket-of-a-race", **creator).create_record("id", b"data")


@pytest.mark.parametrize("permission", BUCKET_PERMISSIONS)
def test_creating_without_permission(
    cloud: Cloud, creator: dict[str, object], permission: str
) -> None:
    account = cloud.accounts.make(*{*BUCKET_PERMISSIONS} - {permission})
    more = creator | {"credentialsPath": str(account.file)}
    error = fails(AccessDeniedError, lambda: cloud.open_storage("a-bucket-not-to-be", **more))
    assert f"{permission} on a-bucket-not-to-be" in str(error)


def test_opening_asks_for_nothing(cloud: Cloud, bucket: str) -> None:
    cloud.open_storage(bucket)
    assert cloud.accounts.used == set()
