"""Whatever goes wrong between us and Azure: the right error, in time, and no DEK lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kms_azure.kek import AzureKek
from kms_azure.storage import AzureStorage
from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    Kms,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
    open_kms,
)
from kms_core._causes import hide_foreign_errors
from kms_core._tracebacks import clear_locals
from kms_core.testing import Client
from kms_core.testing._harness.leaks import carried_texts, error_texts, search
from tests.azure.cloud import HANGING, PATIENT, Cloud
from tests.fakes.azure.faults import blob_error, start_proxy, vault_error
from tests.fakes.azure.servers import CLIENT_SECRET
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.proxy import Exchange, Fault, Proxy, cut_body, drop, hang, lose_answer, say

TWICE = PATIENT | {"maxAttempts": 2}
CONTEXT = {"dek_id": "id", "size": "32"}
VAULT = "vault.azure.net"


@pytest.fixture
def behind(cloud: Cloud, vault_proxy: Proxy, blob_proxy: Proxy) -> Cloud:
    """The cloud, reached through the proxies."""
    return cloud.reached_at({VAULT: vault_proxy.url, "azurite": blob_proxy.url})


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[VAULT].make_key("RSA")


@pytest.fixture
def kek(behind: Cloud, key: str) -> AzureKek:
    return behind.open_kek(key, **PATIENT)


@pytest.fixture
def storage(behind: Cloud) -> AzureStorage:
    return behind.open_storage(behind.make_container(), **PATIENT)


@pytest.fixture
def kms(behind: Cloud, key: str) -> Iterator[Kms]:
    kek = behind.kek_parameters(key) | TWICE
    with open_kms(kek, behind.storage_parameters(behind.make_container()) | TWICE) as kms:
        yield kms


def fails(kind: type[KmsError], call: Callable[[], object], *, retryable: bool) -> KmsError:
    """The error of this very kind, which shows no credential."""
    with pytest.raises(KmsError) as caught:
        call()
    error = caught.value
    assert (type(error), error.retryable) == (kind, retryable)
    hide_foreign_errors(error, None)  # as core does with what leaves a backend
    clear_locals(error)
    search("the call", [*error_texts(error), *carried_texts(error)], [CLIENT_SECRET, "Bearer "])
    return error


EVERYWHERE: list[tuple[Fault, type[KmsError], bool]] = [
    (hang, UnavailableError, True),
    (drop, UnavailableError, True),
    (cut_body, UnavailableError, True),
    (say(200, b"<html>Sign in to this network</html>"), UnavailableError, True),
    (say(200, b"{}"), UnavailableError, True),
    (say(500), UnavailableError, True),
    (say(502, b"<html>Bad gateway</html>"), UnavailableError, True),
    (say(503), UnavailableError, True),
    (say(429), ThrottledError, True),
    (say(429, Retry_After="3600"), ThrottledError, True),
    (say(401), AuthenticationError, False),
    (say(403, b"<html>Forbidden</html>"), AccessDeniedError, False),
    (say(404, b"<html>Not found</html>"), ConfigError, False),
    (say(418), OperationError, False),
]

OF_VAULT: list[tuple[int, str, str, type[KmsError], bool]] = [
    (403, "Forbidden", "ForbiddenByRbac", AccessDeniedError, False),
    (403, "Forbidden", "ForbiddenByPolicy", AccessDeniedError, False),
    (403, "Forbidden", "ForbiddenByFirewall", AccessDeniedError, False),
    (403, "Forbidden", "KeyOperationForbidden", AccessDeniedError, False),
    (403, "Forbidden", "HsmNotActivated", AccessDeniedError, False),
    (403, "Forbidden", "KeyDisabled", KekDisabledError, False),
    (403, "Forbidden", "KeyExpired", KekDisabledError, False),
    (403, "KeyNotYetValid", "", KekDisabledError, False),
    (404, "KeyNotFound", "", KekNotFoundError, False),
    (400, "BadParameter", "", UnwrapError, False),
    (429, "Throttled", "", ThrottledError, True),
    (500, "InternalServerError", "", UnavailableError, True),
    (409, "SomethingNew", "", OperationError, False),
    (404, "SomethingNew", "", ConfigError, False),
]

OF_BLOBS: list[tuple[int, str, type[KmsError], bool]] = [
    (503, "ServerBusy", ThrottledError, True),
    (500, "OperationTimedOut", UnavailableError, True),
    (500, "InternalError", UnavailableError, True),
    (403, "AuthorizationPermissionMismatch", AccessDeniedError, False),
    (403, "AuthorizationFailure", AccessDeniedError, False),
    (403, "AuthenticationFailed", AuthenticationError, False),
    (403, "AccountIsDisabled", AccessDeniedError, False),
    (401, "InvalidAuthenticationInfo", AuthenticationError, False),
    (404, "ContainerNotFound", ConfigError, False),
    (404, "BlobNotFound", DekNotFoundError, False),
    (409, "ContainerBeingDeleted", UnavailableError, True),
    (409, "BlobArchived", OperationError, False),
    (400, "SomethingNew", OperationError, False),
    (400, "Md5Mismatch", UnavailableError, True),
    (404, "SomethingNew", ConfigError, False),
]


@pytest.mark.parametrize("case", EVERYWHERE)
def test_kek(
    behind: Cloud, vault_proxy: Proxy, key: str, case: tuple[Fault, type[KmsError], bool]
) -> None:
    fault, kind, retryable = case
    wrapped = behind.open_kek(key, **PATIENT).wrap_dek(bytes(32), CONTEXT)
    kek = behind.open_kek(key, **HANGING if fault is hang else PATIENT)
    for call in ("POST wrapkey", "POST unwrapkey"):
        vault_proxy.spoil(call, fault)
    fails(kind, lambda: kek.wrap_dek(bytes(32), CONTEXT), retryable=retryable)
    fails(kind, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=retryable)
    vault_proxy.spoil("GET key", fault)
    fails(kind, kek.describe_kek, retryable=retryable)


@pytest.mark.parametrize(("fault", "kind", "retryable"), EVERYWHERE)
def test_storage(
    behind: Cloud, blob_proxy: Proxy, fault: Fault, kind: type[KmsError], retryable: bool
) -> None:
    container = behind.make_container()
    patient = behind.open_storage(container, **PATIENT)
    revision = patient.create_record("there", b"data" * 100)
    storage = behind.open_storage(container, **HANGING if fault is hang else PATIENT)
    for call in ("GET blob", "PUT blob", "DELETE blob", "GET container"):
        blob_proxy.spoil(call, fault)
    fails(kind, lambda: storage.load_record("there"), retryable=retryable)
    fails(kind, lambda: list(storage.list_dek_ids("")), retryable=retryable)
    if fault is not cut_body:  # Azure answers these without a body, so there is nothing to cut
        fails(kind, lambda: storage.create_record("new", b"data"), retryable=retryable)
        fails(kind, lambda: storage.delete_record("there", revision), retryable=retryable)


@pytest.mark.parametrize("name", ["innererror", "innerError"])
@pytest.mark.parametrize("case", OF_VAULT)
def test_codes_of_key_vault(
    vault_proxy: Proxy, kek: AzureKek, case: tuple[int, str, str, type[KmsError], bool], name: str
) -> None:
    status, code, inner, kind, retryable = case
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    vault_proxy.spoil("POST unwrapkey", vault_error(status, code, inner, name))
    error = fails(kind, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=retryable)
    if kind is not UnwrapError:
        called = f"{wrapped.kek_id}/{wrapped.kek_version}"
        assert f"keys/unwrapKey on {called}: {inner or code}: " in str(error)


CURES = [
    ("ForbiddenByPolicy", "add one for these credentials"),
    ("ForbiddenByFirewall", "the resource's firewall refuses"),
    ("KeyOperationForbidden", "the key does not permit this operation"),
    ("HsmNotActivated", "download its security domain"),
]


@pytest.mark.parametrize(("inner", "cure"), CURES)
def test_what_403_means(vault_proxy: Proxy, kek: AzureKek, inner: str, cure: str) -> None:
    """A role is the cure of none of these."""
    vault_proxy.spoil("POST wrapkey", vault_error(403, "Forbidden", inner))
    error = fails(AccessDeniedError, lambda: kek.wrap_dek(bytes(32), CONTEXT), retryable=False)
    assert cure in str(error)


@pytest.mark.parametrize("case", OF_BLOBS)
def test_codes_of_blob_storage(
    blob_proxy: Proxy, storage: AzureStorage, case: tuple[int, str, type[KmsError], bool]
) -> None:
    status, code, kind, retryable = case
    blob_proxy.spoil("GET blob", blob_error(status, code))
    error = fails(kind, lambda: storage.load_record("id"), retryable=retryable)
    assert "blobs/read on https://" in str(error)
    assert f"/id.json: {code}: " in str(error)


def test_no_server(cloud: Cloud, certificates: Certificates, key: str) -> None:
    with start_proxy(cloud.endpoints["azurite"], certificates) as gone:
        url = gone.url
    away = cloud.reached_at({VAULT: url, "azurite": url})
    kek, storage = away.open_kek(key, **PATIENT), away.open_storage("container", **PATIENT)
    fails(UnavailableError, lambda: kek.wrap_dek(bytes(32), CONTEXT), retryable=True)
    fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)


def test_server_killed_while_in_use(cloud: Cloud, certificates: Certificates, key: str) -> None:
    with start_proxy(cloud.vaults[VAULT].url, certificates) as proxy:
        kek = cloud.reached_at({VAULT: proxy.url}).open_kek(key, **PATIENT)
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    fails(UnavailableError, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=True)


def test_certificate_of_nobody(cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the issuer of tokens, here."""
    kek = cloud.open_kek(key, **PATIENT)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    error = fails(ConfigError, kek.describe_kek, retryable=False)
    assert "TLS: the certificate is not trusted here; have REQUESTS_CA_BUNDLE name" in str(error)


def test_certificate_of_another_authority(cloud: Cloud, key: str, tmp_path: Path) -> None:
    """Of the service itself."""
    strange = make_certificates(tmp_path / "strange")
    with start_proxy(cloud.vaults[VAULT].url, strange) as proxy:
        kek = cloud.reached_at({VAULT: proxy.url}).open_kek(key, **PATIENT)
        error = fails(ConfigError, kek.describe_kek, retryable=False)
    assert "TLS: the certificate is not trusted here" in str(error)


def test_bundle_of_certificates_that_is_not_there(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(ConfigError, match=r"REQUESTS_CA_BUNDLE names .* not there"):
        cloud.open_kek(key)


def test_bundle_of_certificates_that_is_none(
    cloud: Cloud, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    error = fails(UnavailableError, cloud.open_kek(key, **PATIENT).describe_kek, retryable=True)
    assert "REQUESTS_CA_BUNDLE" in str(error)


@pytest.mark.parametrize("fault", [drop, say(500), say(503), say(429, Retry_After="3600")])
def test_one_failure_is_tried_again_in_time(
    behind: Cloud, vault_proxy: Proxy, key: str, fault: Fault
) -> None:
    more = {"readTimeout": 1, "maxAttempts": 10}  # a second is also the longest wait for a retry
    kek = behind.open_kek(key, **PATIENT | more)
    for call in ("GET key", "POST wrapkey", "POST unwrapkey"):
        vault_proxy.spoil(call, fault, times=1)
    assert kek.unwrap_dek(kek.wrap_dek(b"d" * 32, CONTEXT), CONTEXT) == b"d" * 32


def test_lost_answer_to_a_create(blob_proxy: Proxy, kms: Kms) -> None:
    """The SDK tries again and hears that the blob exists: it is our own."""
    blob_proxy.spoil("PUT blob", lose_answer, times=1)
    dek = kms.get_dek("id", create=True)
    assert blob_proxy.seen.count("PUT blob") == 2
    assert kms.get_dek("id", create=False) == dek


def test_create_that_never_gets_an_answer(blob_proxy: Proxy, kms: Kms) -> None:
    blob_proxy.spoil("PUT blob", lose_answer)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_create_that_never_arrives(blob_proxy: Proxy, kms: Kms) -> None:
    blob_proxy.spoil("PUT blob", drop)
    fails(UnavailableError, lambda: kms.get_dek("id", create=True), retryable=True)
    fails(DekNotFoundError, lambda: kms.get_dek("id", create=False), retryable=False)


def test_somebody_else_created_it_meanwhile(cloud: Cloud, key: str, blob_proxy: Proxy) -> None:
    container = cloud.make_container()
    there = cloud.reached_at({"azurite": blob_proxy.url}).storage_parameters(container)
    kek = cloud.kek_parameters(key)
    with open_kms(kek, there) as ours, open_kms(kek, cloud.storage_parameters(container)) as other:
        winner: list[bytes] = []

        def come_first(exchange: Exchange) -> None:
            winner.append(other.get_dek("id", create=True))
            exchange.answer(exchange.forward())

        blob_proxy.spoil("PUT blob", come_first, times=1)
        assert [ours.get_dek("id", create=True)] == winner


def test_lost_answer_to_a_replace(behind: Cloud, blob_proxy: Proxy) -> None:
    storage = behind.open_storage(behind.make_container(), **TWICE)
    first = storage.create_record("id", b"first")
    blob_proxy.spoil("PUT blob", lose_answer, times=1)
    second = Client(storage, "storage").bound.replace_record("id", b"second", first)
    assert storage.load_record("id").revision == second
    fails(
        ConflictError,
        lambda: Client(storage, "storage").bound.replace_record("id", b"third", first),
        retryable=True,
    )


def test_existing_blob(storage: AzureStorage) -> None:
    storage.create_record("id", b"first")
    fails(DekExistsError, lambda: storage.create_record("id", b"second"), retryable=False)


XML = {"Content_Type": "application/xml"}
ONE_BYTE = {"ETag": '"1"', "Content_Range": "bytes 0-0/1"}
STRANGE: list[tuple[str, Fault]] = [
    ("GET container", say(200, b"", **XML)),
    ("GET container", say(200, b"<html>Sign in</html>", Content_Type="application/xhtml+xml")),
    (
        "GET container",
        say(200, b"<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>", **XML),
    ),
    ("GET blob", say(206, b"x", ETag='"1"')),
    ("GET blob", say(206, b"x", ETag='"1"', Content_Range="bytes x-y/z")),
    ("GET blob", say(206, b"x", **ONE_BYTE, Last_Modified="soon")),
    ("PUT blob", say(201, b"", ETag='"1"', Last_Modified="soon")),
    ("PUT blob", say(201, b"")),
]


@pytest.mark.parametrize(("call", "fault"), STRANGE)
def test_a_reply_that_blob_storage_does_not_give(
    blob_proxy: Proxy, storage: AzureStorage, call: str, fault: Fault
) -> None:
    blob_proxy.spoil(call, fault)
    calls: dict[str, Callable[[], object]] = {
        "GET container": lambda: list(storage.list_dek_ids("")),
        "GET blob": lambda: storage.load_record("there"),
        "PUT blob": lambda: storage.create_record("new", b"data"),
    }
    fails(UnavailableError, calls[call], retryable=True)


def test_each_attempt_counts(behind: Cloud, blob_proxy: Proxy) -> None:
    storage = behind.open_storage(behind.make_container(), **PATIENT | {"maxAttempts": 3})
    blob_proxy.spoil("GET blob", blob_error(500, "InternalError"))
    fails(UnavailableError, lambda: storage.load_record("id"), retryable=True)
    assert blob_proxy.seen.count("GET blob") == 3


@pytest.fixture
def due(cloud: Cloud, kms: Kms, key: str) -> bytes:
    """A DEK that an older version of the key wrapped."""
    dek = kms.create_dek("due")
    cloud.vaults[VAULT].rotate(key)
    return dek


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_bare_answers_to_who_looks_after_deks(
    kms: Kms, due: bytes, blob_proxy: Proxy, status: int
) -> None:
    """Nothing was done, and nobody is told that it was."""
    before = kms.describe_dek("due")
    for call, use in (("PUT blob", kms.rewrap_dek), ("DELETE blob", kms.delete_dek)):
        blob_proxy.spoil(call, say(status, b"<html>Sign in</html>", Content_Type="text/html"))
        with pytest.raises(OperationError):
            use("due")
        blob_proxy.spoil_nothing()
        assert kms.describe_dek("due") == before
    assert kms.get_dek("due") == due


@pytest.mark.parametrize("fault", [lose_answer, drop])
def test_one_lost_answer_to_who_looks_after_deks(
    kms: Kms, due: bytes, blob_proxy: Proxy, fault: Fault
) -> None:
    blob_proxy.spoil("PUT blob", fault, times=1)
    assert kms.rewrap_dek("due")
    assert kms.get_dek("due") == due
    blob_proxy.spoil("DELETE blob", fault, times=1)
    kms.delete_dek("due")
    with pytest.raises(DekNotFoundError):
        kms.get_dek("due")
