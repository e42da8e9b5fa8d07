"""Every kind of Google credentials: that it works, whom it asks, and what its failures are."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from flask import Response

from kms_core import (
    AuthenticationError,
    ConfigError,
    KmsError,
    UnavailableError,
    open_kms,
)
from kms_core.testing import Client
from kms_gcp.kek import GcpKek
from kms_gcp.storage import GcpStorage
from tests.fakes.gcp.accounts import Account
from tests.fakes.gcp.identity_server import POOL, Identities, start_identities
from tests.gcp.cloud import KEK_PERMISSIONS, PATIENT, RECORD_PERMISSIONS, Cloud
from tests.gcp.failing import fails
from tests.secret_files import write_private

PATH, FILE = "credentialsPath", "GOOGLE_APPLICATION_CREDENTIALS"
METADATA = "google.auth.compute_engine._metadata"
DEK = bytes(range(32))


@pytest.fixture
def identities(cloud: Cloud) -> Iterator[Identities]:
    with start_identities(cloud.accounts) as identities:
        yield identities


@pytest.fixture
def account(cloud: Cloud) -> Account:
    permissions = (*KEK_PERMISSIONS, *RECORD_PERMISSIONS, "iam.serviceAccounts.getAccessToken")
    return cloud.accounts.make(*permissions)


MakeFile: TypeAlias = Callable[..., str | None]


@pytest.fixture
def make_file(
    identities: Identities, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeFile:
    """A file of workload identity federation, as `gcloud iam … create-cred-config` writes it; and
    the credentialsPath that leads there, which is none where the environment does.
    """
    identities.subjects["a-token-of-somebody-else"] = account.email
    (tmp_path / "subject").write_text("a-token-of-somebody-else")

    def make(where: str = PATH, **more: object) -> str | None:
        file = tmp_path / "federation.json"
        document: dict[str, object] = {
            "universe_domain": "googleapis.com",
            "type": "external_account",
            "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{identities.url}/v1/token",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        file.write_text(json.dumps(document | more))  # readable for all, as gcloud does it
        if where == FILE:
            monkeypatch.setenv(FILE, str(file))
        return str(file) if where == PATH else None

    return make


def use(cloud: Cloud, **more: object) -> bool:
    kek = {"backend": "gcp", **cloud.kek_parameters(cloud.make_key(), **more)}
    storage = {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket(), **more)}
    with open_kms(kek, storage) as kms:
        return kms.get_dek("id", create=True) == kms.get_dek("id", create=False)


def open_both(cloud: Cloud, **more: object) -> tuple[GcpKek, GcpStorage]:
    return cloud.open_kek(cloud.make_key(), **more), cloud.open_storage(cloud.make_bucket(), **more)


def uses(kek: GcpKek, storage: GcpStorage) -> list[Callable[[], object]]:
    """Through core, which takes the words of the SDK out of errors."""
    bound = Client(kek, "kms").bound, Client(storage, "storage").bound
    return [
        lambda: bound[0].wrap_dek(DEK, {"dek_id": "id"}),
        lambda: bound[1].load_record("id"),
    ]


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What was asked of hosts that are not on this machine."""
    seen: list[bytes] = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.getsockname()[1]}")

        def listen() -> None:
            while not over.is_set():
                connection, _ = server.accept()
                with connection:
                    seen.append(connection.recv(200).split(b"\r\n")[0])

        thread = threading.Thread(target=listen)
        thread.start()
        yield seen
        over.set()
        socket.create_connection(server.getsockname()).close()
        thread.join()
    seen.pop()


def wait_for_threads_of_the_sdk() -> None:
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("google."):
            thread.join()


@pytest.mark.parametrize("where", [PATH, FILE])
def test_workload_identity_federation(
    cloud: Cloud, identities: Identities, make_file: MakeFile, strangers: list[bytes], where: str
) -> None:
    """The SDK would also ask Resource Manager for the project, and for the account's regions."""
    assert use(cloud, credentialsPath=make_file(where))
    wait_for_threads_of_the_sdk()
    assert strangers == []
    assert identities.seen == ["/v1/token"] * 2


def test_impersonation_by_a_federated_identity(
    cloud: Cloud, identities: Identities, make_file: MakeFile
) -> None:
    name = f"/v1/projects/-/serviceAccounts/{cloud.account.email}:generateAccessToken"
    file = make_file(service_account_impersonation_url=identities.url + name)
    assert use(cloud, credentialsPath=file)
    assert identities.seen == ["/v1/token", name] * 2


def test_impersonation_by_a_service_account(
    cloud: Cloud, account: Account, tmp_path: Path, strangers: list[bytes]
) -> None:
    """The SDK has an address of its own for it, where a token of the account's gets one."""
    file = tmp_path / "impersonation.json"
    host = "iamcredentials.googleapis.com"
    name = f"v1/projects/-/serviceAccounts/{cloud.account.email}:generateAccessToken"
    document = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": f"https://{host}/{name}",
        "source_credentials": json.loads(account.file.read_text()),
    }
    write_private(file, json.dumps(document))
    before = len(cloud.accounts.tokens)
    for call in uses(*open_both(cloud, credentialsPath=str(file), **PATIENT)):
        fails(UnavailableError, call, retryable=True)
    assert len(cloud.accounts.tokens) == before + 2
    assert {line.rpartition(b" ")[0] for line in strangers} == {f"CONNECT {host}:443".encode()}


@pytest.fixture
def machine(
    identities: Identities, account: Account, monkeypatch: pytest.MonkeyPatch
) -> Identities:
    """A virtual machine whose service account has all permissions."""
    address = identities.url.removeprefix("http://")
    identities.instance = account.email
    monkeypatch.setattr(f"{METADATA}._NO_GCE_CHECK", False)
    monkeypatch.setattr(f"{METADATA}._GCE_METADATA_HOST", address)
    monkeypatch.setenv("GCE_METADATA_IP", address)
    return identities


def test_virtual_machine(
    cloud: Cloud, machine: Identities, strangers: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # who would see its token
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setattr(
        "google.auth.compute_engine.Credentials.universe_domain", machine.universe
    )  # which the SDK asks through the proxy
    assert use(cloud, credentialsPath=None)
    wait_for_threads_of_the_sdk()
    assert strangers == []


@pytest.mark.parametrize("endpoint", [True, False])
def test_a_metadata_server_chooses_no_address(
    cloud: Cloud, machine: Identities, *, endpoint: bool
) -> None:
    """Whoever answers there would get plaintext DEKs: it is plain http."""
    machine.universe = "attacker.test"
    more = {"credentialsPath": None} | ({} if endpoint else {"endpoint": None})
    for open_backend in (cloud.open_kek, cloud.open_storage):
        error = fails(ConfigError, lambda: open_backend("any", **more))  # noqa: B023 -- at once
        assert "the universe 'attacker.test'" in str(error)
    assert not [path for path in machine.seen if path.endswith("/token")]
    assert cloud.kms.seen == []


def test_a_key_file_chooses_no_address(cloud: Cloud, tmp_path: Path) -> None:
    document = json.loads(cloud.account.file.read_text())
    file = tmp_path / "key.json"
    write_private(file, json.dumps(document | {"universe_domain": "attacker.test"}))
    for open_backend in (cloud.open_kek, cloud.open_storage):
        error = fails(
            ConfigError,
            lambda: open_backend("any", endpoint=None, credentialsPath=str(file)),  # noqa: B023
        )
        assert "googleapis.com is configured" in str(error)


@pytest.mark.parametrize(
    "name", ["token_uri", "token_url", "service_account_impersonation_url", "source_credentials"]
)
@pytest.mark.parametrize("where", [PATH, FILE])
def test_a_file_sends_no_token_elsewhere(
    cloud: Cloud, make_file: MakeFile, name: str, where: str
) -> None:
    url = "https://sts.googleapis.com.attacker.test/v1/token"
    path = make_file(where, **{name: {"token_url": url} if name == "source_credentials" else url})
    error = fails(ConfigError, lambda: cloud.open_kek("k", credentialsPath=path))
    assert where in str(error)
    assert "a host outside of googleapis.com" in str(error)


def test_refused_federation_is_told_at_once(
    cloud: Cloud, identities: Identities, make_file: MakeFile
) -> None:
    """gRPC would ask 25 times in half a minute, and tell an outage."""
    kek, storage = open_both(cloud, credentialsPath=make_file(audience="//another"))
    for call in uses(kek, storage):
        error = fails(AuthenticationError, call)
        assert "PRIVATE" not in chain_of(error)
    assert identities.seen == ["/v1/token"] * 2
    assert cloud.kms.seen == []


ODD = [("<html>Sign in</html>", 200), ("[]", 200), ('"text"', 200), ("{}", 200), ("", 200)]


@pytest.mark.parametrize("answer", ODD)
def test_answer_without_a_token(
    cloud: Cloud, identities: Identities, make_file: MakeFile, answer: tuple[str, int]
) -> None:
    identities.answer = answer
    kek, storage = open_both(cloud, credentialsPath=make_file(), **PATIENT)
    for call in uses(kek, storage):
        error = told(call)
        assert isinstance(error, (UnavailableError, AuthenticationError))
        assert "Sign in" not in chain_of(error)


@pytest.mark.parametrize("answer", ODD)
def test_answer_without_a_token_for_a_service_account(
    cloud: Cloud, answer: tuple[str, int]
) -> None:
    storage = cloud.open_storage(cloud.make_bucket(), **PATIENT)
    cloud.tokens.answer = answer
    try:
        error = told(lambda: Client(storage, "storage").bound.load_record("id"))
    finally:
        cloud.tokens.answer = None
    assert isinstance(error, (UnavailableError, AuthenticationError))
    assert "Sign in" not in chain_of(error)


def test_metadata_server_that_is_another(cloud: Cloud, machine: Identities) -> None:
    answer: Any = Response("project", headers={"Metadata-Flavor": "Google"})
    del answer.headers["Content-Type"]  # which the SDK takes for granted
    machine.answer = answer
    for open_backend in (cloud.open_kek, cloud.open_storage):
        fails(AuthenticationError, lambda: open_backend("any", credentialsPath=None))  # noqa: B023 -- at once


def test_metadata_server_that_is_away_for_a_moment(
    cloud: Cloud, machine: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    kek, storage = open_both(cloud, credentialsPath=None)
    machine.answer = ("", 503)
    for call in uses(kek, storage):
        fails(UnavailableError, call, retryable=True)
    machine.answer = None
    kek.wrap_dek(DEK, {})


def test_a_key_that_was_rotated_is_read_again(cloud: Cloud, tmp_path: Path) -> None:
    """The old one is deleted, and the new one lies where it lay: no restart is needed."""
    old, new = (cloud.accounts.make(*KEK_PERMISSIONS, *RECORD_PERMISSIONS) for _ in range(2))
    file = write_private(tmp_path / "key.json", old.file.read_text())
    who = {"backend": "gcp", "credentialsPath": str(file)}
    kek = cloud.kek_parameters(cloud.make_key()) | who
    storage = cloud.storage_parameters(cloud.make_bucket()) | who
    with open_kms(kek, storage) as kms:
        dek = kms.get_dek("id", create=True)
        del cloud.accounts.known[old.email]
        cloud.accounts.tokens.clear()
        fails(AuthenticationError, lambda: kms.get_dek("id", create=False))
        write_private(file, new.file.read_text())
        assert kms.get_dek("id", create=False) == dek


def test_one_renewal_after_a_401(cloud: Cloud) -> None:
    storage = cloud.open_storage(cloud.make_bucket())
    storage.create_record("id", b"data")
    cloud.accounts.tokens.clear()  # as if they were revoked
    assert storage.load_record("id").data == b"data"


def test_refused_renewal_after_a_401(cloud: Cloud) -> None:
    account = cloud.accounts.make(*RECORD_PERMISSIONS)
    storage = cloud.open_storage(cloud.make_bucket(), credentialsPath=str(account.file))
    storage.create_record("id", b"data")
    cloud.accounts.tokens.clear()
    del cloud.accounts.known[account.email]
    fails(AuthenticationError, lambda: storage.load_record("id"))


@pytest.mark.parametrize(
    "content",
    [b"[]", b'{"type": "PRIVATE"}', '{"a": "PRIVATE\u00e9"'.encode("cp1252"), b"[" * 100_000],
)
def test_damaged_file_of_the_environment(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "adc.json"
    file.write_bytes(content)
    monkeypatch.setenv(FILE, str(file))
    error = fails(ConfigError, lambda: cloud.open_kek("k", credentialsPath=None))
    assert f"{FILE}: '{file}' is no file of Google credentials" in str(error)
    assert "PRIVATE" not in chain_of(error)


def test_folder_in_place_of_a_file(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker makes one where the file to mount is missing."""
    monkeypatch.setenv(FILE, str(tmp_path))
    error = fails(ConfigError, lambda: cloud.open_kek("k", credentialsPath=None))
    assert "cannot be read: Is a directory" in str(error)


def test_file_in_another_encoding(cloud: Cloud, tmp_path: Path) -> None:
    """As PowerShell writes it."""
    for encoding in ("utf-8-sig", "utf-16"):
        file = write_private(tmp_path / f"{encoding}.json", "")
        file.write_text(cloud.account.file.read_text(), encoding=encoding)
        kek = cloud.open_kek(cloud.make_key(), credentialsPath=str(file))
        assert kek.unwrap_dek(kek.wrap_dek(DEK, {}), {}) == DEK


def test_damaged_file_of_gcloud(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    (tmp_path / "application_default_credentials.json").write_text('{"refresh_token": "PRIVATE"')
    error = fails(AuthenticationError, lambda: cloud.open_kek("k", credentialsPath=None))
    assert "PRIVATE" not in chain_of(error)


def test_quota_project(cloud: Cloud, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who pays: for Cloud KMS a header says it, for Cloud Storage the query does as well."""
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "another-project")
    seen: list[tuple[str | None, bool]] = []

    def look(exchange: Any) -> None:
        header = exchange.headers.get("x-goog-user-project")
        seen.append((header, "userProject=payer" in exchange.path))
        exchange.answer(exchange.forward())

    for permission in ("create", "get", "list"):
        cloud.front.spoil(f"storage.objects.{permission}", look)
    for parameters in ({"quotaProject": "payer"}, {}):
        storage = cloud.open_storage(bucket, **parameters)
        storage.create_record(f"id-{len(parameters)}", b"data")
        storage.load_record(f"id-{len(parameters)}")
        list(storage.list_dek_ids(""))
    assert seen == [("payer", True)] * 3 + [(None, False)] * 3
    kek = cloud.open_kek(cloud.make_key(), quotaProject="payer")
    assert kek.unwrap_dek(kek.wrap_dek(DEK, {}), {}) == DEK
    assert cloud.kms.payers == ["payer"] * 2


def told(call: Callable[[], object]) -> KmsError:
    with pytest.raises(KmsError) as caught:
        call()
    return caught.value


def chain_of(error: BaseException) -> str:
    """All that the error and its causes say and hold."""
    link: BaseException | None = error
    text = ""
    while link is not None:
        text += f"{link!r} {vars(link)} "
        link = link.__cause__ or link.__context__
    return text
