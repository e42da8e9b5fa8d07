"""Whatever goes wrong between us and Cloud Storage: the right error, in time, and no DEK lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    Kms,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
)
from kms_core.testing import Client
from kms_gcp.storage import GcpStorage
from tests.fakes.gcp.storage_server import say, start_fake_gcs, start_front
from tests.fakes.proxy import Exchange, Fault, Reply, cut_body, drop, hang, lose_answer
from tests.gcp.cloud import HANGING, PATIENT, SOME_HANG, Cloud
from tests.gcp.failing import fails

# The SDK leaves a refused download to the garbage collector, its socket open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

GET, CREATE, DELETE, LIST = (
    f"storage.objects.{action}" for action in ("get", "create", "delete", "list")
)


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Mapping[str, float]:
    """Short where the test's fault hangs."""
    parameters = getattr(request.node, "callspec", None)
    hangs = parameters is not None and parameters.params.get("fault") is hang
    return SOME_HANG if hangs else PATIENT


def damage_body(exchange: Exchange) -> None:
    reply = exchange.forward()
    exchange.answer(Reply(reply.status, reply.body[:-1] + b"?", reply.headers))


def drop_hash(exchange: Exchange) -> None:
    reply = exchange.forward()
    headers = [(name, value) for name, value in reply.headers if name != "X-Goog-Hash"]
    exchange.answer(Reply(reply.status, reply.body, headers))


def damage_upload(exchange: Exchange) -> None:
    exchange.body = exchange.body.replace(b"the data", b"the dat?")
    exchange.answer(exchange.forward())


def html(status: int) -> Fault:
    page = b"<html>Sign in to this network</html>"
    return lambda exchange: exchange.answer(Reply(status, page, [("Content-Type", "text/html")]))


def no_object(status: int) -> Fault:
    json = [("Content-Type", "application/json")]
    return lambda exchange: exchange.answer(Reply(status, b"[]", json))


def test_lost_answer_of_a_create(cloud: Cloud, kms: Kms) -> None:
    """The SDK's second try meets our own object; what is stored decides."""
    cloud.front.spoil(CREATE, lose_answer, times=1)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_lost_answer_of_a_create_says_that_it_exists(cloud: Cloud, storage: GcpStorage) -> None:
    cloud.front.spoil(CREATE, lose_answer, times=1)
    fails(DekExistsError, lambda: storage.create_record("id", b"the data"))
    assert storage.load_record("id").data == b"the data"


def test_lost_answer_of_a_replace(cloud: Cloud, storage: GcpStorage) -> None:
    first = storage.create_record("id", b"first")
    cloud.front.spoil(DELETE, lose_answer, times=1)
    second = Client(storage, "storage").bound.replace_record("id", b"second", first)
    stored = storage.load_record("id")
    assert (stored.data, stored.revision) == (b"second", second)
    cloud.front.spoil(DELETE, lose_answer, times=1)
    fails(
        ConflictError,
        lambda: Client(storage, "storage").bound.replace_record("id", b"third", first),
        retryable=True,
    )
    assert storage.load_record("id") == stored


@pytest.mark.parametrize("fault", [drop, say(503), say(500), say(429), say(408)])
def test_upload_is_tried_again(cloud: Cloud, storage: GcpStorage, fault: Fault) -> None:
    cloud.front.spoil(CREATE, fault, times=1)
    revision = storage.create_record("id", b"the data")
    stored = storage.load_record("id")
    assert (stored.data, stored.revision) == (b"the data", revision)


@pytest.mark.parametrize(
    "fault", [hang, drop, say(500), say(503), html(200), no_object(200), html(502)]
)
def test_failed_upload_is_never_reported_as_stored(cloud: Cloud, kms: Kms, fault: Fault) -> None:
    cloud.front.spoil(CREATE, fault)
    fails(UnavailableError, lambda: kms.get_dek("id", create=True), retryable=True)
    assert list(kms.list_dek_ids()) == []
    cloud.front.spoil_nothing()
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_damaged_upload_is_never_reported_as_stored(cloud: Cloud, storage: GcpStorage) -> None:
    cloud.front.spoil(CREATE, damage_upload)
    fails(UnavailableError, lambda: storage.create_record("id", b"the data"), retryable=True)


def test_upload_that_was_stored_under_another_name(cloud: Cloud, storage: GcpStorage) -> None:
    """The name is in the body, beside the record, and the checksum is of the record alone."""

    def rename(exchange: Exchange) -> None:
        exchange.body = exchange.body.replace(b"id.json", b"ie.json")
        exchange.answer(exchange.forward())

    cloud.front.spoil(CREATE, rename)
    fails(UnavailableError, lambda: storage.create_record("id", b"the data"), retryable=True)


def test_refused_checksum_is_retryable(cloud: Cloud, storage: GcpStorage) -> None:
    problem = 'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "Nks/tw==".'
    cloud.front.spoil(CREATE, say(400, problem, "invalid"))
    fails(UnavailableError, lambda: storage.create_record("id", b"the data"), retryable=True)


def test_damaged_download(cloud: Cloud, storage: GcpStorage) -> None:
    storage.create_record("id", b"the data")
    cloud.front.spoil(GET, damage_body, times=1)
    fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)
    assert storage.load_record("id").data == b"the data"


def test_a_download_without_a_hash_is_checked_by_the_metadata(
    cloud: Cloud, storage: GcpStorage
) -> None:
    """The live service gives none with a part of an object, as where a download was resumed."""
    revision = storage.create_record("id", b"the data")
    cloud.front.spoil(GET, drop_hash, times=1)
    stored = storage.load_record("id")
    assert (stored.data, stored.revision) == (b"the data", revision)


def test_no_range_is_asked_for(cloud: Cloud, storage: GcpStorage) -> None:
    ranges: list[str | None] = []

    def look(exchange: Exchange) -> None:
        ranges.append(exchange.headers.get("Range"))
        exchange.answer(exchange.forward())

    storage.create_record("id", b"the data")
    cloud.front.spoil(GET, look, times=1)
    assert storage.load_record("id").data == b"the data"
    assert ranges == [None]


def test_cut_download_goes_on(cloud: Cloud, storage: GcpStorage) -> None:
    data = bytes(range(256)) * 256
    storage.create_record("id", data)
    cloud.front.spoil(GET, cut_body, times=1)
    assert storage.load_record("id").data == data


def test_what_was_read_is_replaced_before_its_hash_is_asked_for(
    cloud: Cloud, storage: GcpStorage
) -> None:
    """Of its generation there is nothing any more; of the record there is."""
    storage.create_record("id", b"the data")
    cloud.front.spoil(GET, drop_hash, times=1)
    cloud.front.spoil(GET, say(404, "No such object: deks/id.json"), times=1)
    fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)


@pytest.mark.parametrize("lost", ["generation", "crc32c", "all"])
def test_an_upload_is_not_believed_without_what_only_the_store_knows(
    cloud: Cloud, storage: GcpStorage, lost: str
) -> None:
    def lose(exchange: Exchange) -> None:
        reply = exchange.forward()
        document = {} if lost == "all" else json.loads(reply.body)
        document.pop(lost, None)
        body = json.dumps(document).encode()
        exchange.answer(Reply(reply.status, body, [("Content-Type", "application/json")]))

    cloud.front.spoil(CREATE, lose)
    fails(UnavailableError, lambda: storage.create_record("id", b"the data"), retryable=True)


REASONS = [
    ("accessNotConfigured", "", "gcloud services enable"),
    ("accountDisabled", "", "billing is disabled"),
    ("insufficientPermissions", "", "auth/cloud-platform"),
    ("vpcServiceControls", "", "VPC Service Controls"),
    ("userProjectAccountProblem", "", "serviceusage.services.use"),
    ("forbidden", "Permission denied on Cloud KMS key. Please ensure that …", "service agent"),
    ("forbidden", "", "grant this permission"),
]


@pytest.mark.parametrize(("reason", "message", "cure"), REASONS)
def test_reasons_of_a_refusal(
    cloud: Cloud, storage: GcpStorage, reason: str, message: str, cure: str
) -> None:
    for permission in (GET, CREATE):
        cloud.front.spoil(permission, say(403, message or "from the test", reason))
    calls: list[Callable[[], object]] = [
        lambda: storage.load_record("id"),
        lambda: storage.create_record("id", b"data"),
    ]
    for call in calls:
        assert cure in str(fails(AccessDeniedError, call))


def test_requester_pays(cloud: Cloud, storage: GcpStorage) -> None:
    problem = "Bucket is requester pays bucket but no user project provided."
    cloud.front.spoil(GET, say(400, problem, "required"))
    assert "give quotaProject" in str(fails(ConfigError, lambda: storage.load_record("id")))


ANSWERS: list[tuple[Fault, type[KmsError], bool]] = [
    (hang, UnavailableError, True),
    (drop, UnavailableError, True),
    (say(401), AuthenticationError, False),
    (say(403), AccessDeniedError, False),
    (say(403, reason="rateLimitExceeded"), ThrottledError, True),
    (say(404, "The specified bucket does not exist."), ConfigError, False),
    (say(408), UnavailableError, True),
    (say(418), OperationError, False),
    (say(429), ThrottledError, True),
    (say(500), UnavailableError, True),
    (say(503), UnavailableError, True),
    (html(403), AccessDeniedError, False),
    (html(502), UnavailableError, True),
]


@pytest.mark.parametrize(("fault", "kind", "retryable"), ANSWERS)
def test_answers(
    cloud: Cloud, bucket: str, fault: Fault, kind: type[KmsError], *, retryable: bool
) -> None:
    revision = cloud.open_storage(bucket, **PATIENT).create_record("id", b"data")
    storage = cloud.open_storage(bucket, **HANGING if fault is hang else PATIENT)
    for permission in (GET, CREATE, DELETE, LIST):
        cloud.front.spoil(permission, fault)
    uses: list[Callable[[], object]] = [
        lambda: storage.load_record("id"),
        lambda: storage.create_record("new", b"data"),
        lambda: storage.replace_record("id", b"data", revision),
        lambda: storage.delete_record("id", revision),
        lambda: list(storage.list_dek_ids("")),
    ]
    for use in uses:
        error = fails(kind, use, retryable=retryable)
        assert "from the test" not in str(error)
        assert error.__cause__ is not None


@pytest.mark.parametrize("fault", [hang, drop, say(403), say(503)])
def test_errors_hold_no_token(cloud: Cloud, storage: GcpStorage, fault: Fault) -> None:
    """The SDK's errors hold requests, whose headers hold the token."""
    cloud.front.spoil(GET, fault)
    bound = Client(storage, "storage").bound
    link: BaseException | None = fails_somehow(lambda: bound.load_record("id"))
    while link is not None:
        holders = [link, getattr(link, "response", None), getattr(link, "cause", None)]
        assert not any(getattr(holder, "request", None) for holder in holders)
        link = link.__cause__ or link.__context__


def fails_somehow(call: Callable[[], object]) -> KmsError:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("fault", [html(200), no_object(200)])
def test_listing_that_is_no_object(cloud: Cloud, storage: GcpStorage, fault: Fault) -> None:
    cloud.front.spoil(LIST, fault)
    fails(UnavailableError, lambda: list(storage.list_dek_ids("")), retryable=True)


def test_killed_service(cloud: Cloud, bucket: str) -> None:
    with start_fake_gcs() as server:
        with start_front(server.url, cloud.tokens, cloud.accounts) as front:
            front.make_bucket(bucket)
        storage = cloud.open_storage(bucket, endpoint=server.url, **PATIENT)
        storage.create_record("id", b"data")
        server.process.kill()
        server.process.wait()
        fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)
        fails(UnavailableError, lambda: storage.create_record("new", b"data"), retryable=True)


def test_untrusted_certificate(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks TLS, and whose authority only gRPC was told of."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    storage = cloud.open_storage("deks", endpoint=cloud.kms.endpoint, **PATIENT)
    error = fails(ConfigError, lambda: storage.load_record("id"))
    assert "REQUESTS_CA_BUNDLE" in str(error)


def test_each_attempt_counts(cloud: Cloud) -> None:
    calls: list[str] = []

    def fail(exchange: Exchange) -> None:
        calls.append(exchange.path)
        say(503)(exchange)

    storage = cloud.open_storage(cloud.make_bucket(), maxAttempts=3)
    cloud.front.spoil(GET, fail)
    fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)
    assert len(calls) == 3


@pytest.fixture
def due(cloud: Cloud, kms: Kms, name: str) -> bytes:
    """A DEK that an older version of the key wrapped."""
    dek = kms.create_dek("due")
    cloud.key(name).rotate()
    return dek


@pytest.mark.parametrize("status", [200, 202, 204])
def test_bare_answers_to_who_looks_after_deks(
    cloud: Cloud, kms: Kms, due: bytes, status: int
) -> None:
    """Nothing was done, and nobody is told that it was."""
    before, page = kms.describe_dek("due"), [("Content-Type", "text/html")]
    answer = Reply(status, b"<html>Sign in</html>", page)
    for use in (kms.rewrap_dek, kms.delete_dek):  # both need the permission to delete
        cloud.front.spoil("storage.objects.delete", lambda exchange: exchange.answer(answer))
        with pytest.raises(OperationError):
            use("due")
        cloud.front.spoil_nothing()
        assert kms.describe_dek("due") == before
    assert kms.get_dek("due") == due


@pytest.mark.parametrize("fault", [lose_answer, drop])
def test_one_lost_answer_to_who_looks_after_deks(
    cloud: Cloud, kms: Kms, due: bytes, fault: Fault
) -> None:
    cloud.front.spoil("storage.objects.delete", fault, times=1)
    assert kms.rewrap_dek("due")
    assert kms.get_dek("due") == due
    cloud.front.spoil("storage.objects.delete", fault, times=1)
    kms.delete_dek("due")
    with pytest.raises(DekNotFoundError):
        kms.get_dek("due")
