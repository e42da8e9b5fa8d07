"""What the backends take, and that nothing in the environment overrides it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from kms_core import AccessDeniedError, AuthenticationError, ConfigError, UnavailableError, open_kms
from kms_core._config.choices import ChosenBackend
from kms_core._config.uri import parse_uri
from kms_core._plugins.parameters import read_parameters
from kms_gcp.config import GcpConfig, GcpKekConfig, GcpStorageConfig
from tests.gcp.cloud import PATIENT, Cloud
from tests.secret_files import write_private

KEK = "kms://gcp?projectID=p&location=global&keyRing=r&keyName=k"
STORAGE = "storage://gcp?projectID=p&bucket=deks"


def load(uri: str) -> Any:
    scheme = uri.partition(":")[0]
    name, parameters = parse_uri(uri, scheme)
    model: type[GcpConfig] = GcpKekConfig if scheme == "kms" else GcpStorageConfig
    return read_parameters(model, ChosenBackend(scheme, name, parameters))


def test_uris_of_constellation() -> None:
    kek = load(f"{KEK}&credentialsPath=/etc/key.json")
    assert kek.resource_name == "projects/p/locations/global/keyRings/r/cryptoKeys/k"
    assert kek.credentials_path == Path("/etc/key.json")
    storage = load(f"{STORAGE}&credentialsPath=/etc/key.json")
    assert (storage.project_id, storage.bucket, storage.create_bucket) == ("p", "deks", False)


WRONG = [
    (f"{KEK}&keyVersion=0", "keyVersion"),
    (f"{KEK}&keyVersion=latest", "keyVersion"),
    (f"{KEK}&endpoint=http://127.0.0.1:1", "set anonymous=true for an emulator"),
    (f"{KEK}&endpoint=http://kms.example.com&anonymous=true", "plain http to another machine"),
    (f"{KEK}&anonymous=true", "anonymous=true is for an emulator"),
    (f"{STORAGE}&anonymous=true", "anonymous=true is for an emulator"),
    (f"{STORAGE}&endpoint=https://a.example&anonymous=true", "is for an emulator"),
    (f"{STORAGE}&endpoint=http://[::1]:1&anonymous=true&quotaProject=p", "no quotaProject"),
    (f"{STORAGE}&universeDomain=example.com%2Fx", "universeDomain"),
    (f"{STORAGE}&location=a%2Fb", "location"),
    (f"{KEK}&endpoint=https://host/path", "endpoint is not https://HOST"),
    (f"{KEK}&readTimeout=0", "readTimeout"),
    (f"{KEK}&deadline=inf", "deadline"),
    (f"{KEK}&keyring=r", "did you mean 'keyRing'"),
    (KEK.replace("keyName=k", "keyName=k%2FcryptoKeyVersions%2F1"), "keyName"),
    (KEK.replace("projectID=p", "projectID=p%2Flocations"), "projectID"),
    (KEK.replace("location=global", "location=a%2Fb"), "location"),
    (f"{STORAGE}&endpoint=http://storage.example.com", "plain http to another machine"),
    (f"{STORAGE}&endpoint=http://fake-gcs:4443&anonymous=true", "emulator on this machine"),
    (f"{STORAGE}&endpoint=http://fake-gcs:4443&allowHttp=true", "anonymous=true for an emulator"),
    (f"{STORAGE}&endpoint=https://x.y&allowHttp=true&anonymous=true", "on this machine"),
    (f"{KEK}&endpoint=http://kms:9010&anonymous=true&allowHttp=true", "parameter 7 is unknown"),
    (f"{STORAGE}&prefix=../x", "prefix"),
    (f"{STORAGE}&prefix={'x' * 201}", "at most 200"),
    (f"{STORAGE}&createBucket=true", "gcloud projects describe"),
    (f"{STORAGE}&bucket2=x", "did you mean 'bucket'"),
    ("storage://gcp?projectID=p&bucket=a%2Fb", "bucket"),
]


@pytest.mark.parametrize(("uri", "problem"), WRONG)
def test_wrong_parameters(uri: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(uri)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file"),
        ("PRIVATE", "is no file of Google credentials"),
        ("{}", "is no file of Google credentials"),
        ("[1]", "is no file of Google credentials"),
        ('{"type": "authorized_user", "refresh_token": "PRIVATE"}', "is no file of Google"),
        (
            '{"token_uri": "https://a", "private_key": "PRIVATE", "client_email": "b"}',
            "is no file",
        ),
    ],
)
def test_wrong_credentials_file(
    cloud: Cloud, tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        write_private(file, content)
    opens: list[Callable[[], object]] = [
        lambda: cloud.open_kek("k", credentialsPath=str(file)),
        lambda: cloud.open_storage("deks", credentialsPath=str(file)),
    ]
    for open_backend in opens:
        with pytest.raises(ConfigError) as caught:
            open_backend()
        assert problem in str(caught.value)
        assert "PRIVATE" not in f"{caught.value!r} {caught.value.__context__!r}"


def test_credentials_file_that_others_may_change(cloud: Cloud, tmp_path: Path) -> None:
    file = write_private(tmp_path / "key.json", cloud.account.file.read_text())
    file.chmod(0o666)
    for open_backend in (cloud.open_kek, cloud.open_storage):
        with pytest.raises(AccessDeniedError, match=r"has mode 0666.*run: chmod 600"):
            open_backend("deks", credentialsPath=str(file))


def test_token_never_goes_over_plain_http(cloud: Cloud, tmp_path: Path) -> None:
    document = json.loads(cloud.account.file.read_text())
    file = tmp_path / "key.json"
    write_private(file, json.dumps(document | {"token_uri": "http://tokens.example.com/token"}))
    with pytest.raises(ConfigError, match="is no file of Google credentials"):
        cloud.open_storage("deks", credentialsPath=str(file))


def test_credentials_path_starts_at_the_config_file(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "key.json", cloud.account.file.read_text())
    kek = cloud.kek_parameters(cloud.make_key(), credentialsPath="key.json")
    storage = cloud.storage_parameters(cloud.make_bucket(), credentialsPath="key.json")
    lines = []
    for table, parameters in (("kek", kek), ("storage", storage)):
        lines += [f"[{table}]", 'backend = "gcp"']
        lines += [f"{name} = {json.dumps(value)}" for name, value in parameters.items()]
    (tmp_path / "kms.toml").write_text("\n".join(lines))
    monkeypatch.chdir("/")
    with open_kms(config=tmp_path / "kms.toml") as kms:
        assert len(kms.get_dek("id", create=True)) == 32


ENVIRONMENT = {
    "API_ENDPOINT_OVERRIDE": "http://127.0.0.1:9",
    "GCLOUD_PROJECT": "another-project",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file",
    "GOOGLE_CLOUD_PROJECT": "another-project",
    "GOOGLE_CLOUD_QUOTA_PROJECT": "another-project",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.com",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
}


def use(cloud: Cloud, **more: object) -> bool:
    kek = {"backend": "gcp", **cloud.kek_parameters(cloud.make_key(), **more)}
    storage = {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket(), **more)}
    with open_kms(kek, storage) as kms:
        kms.describe_kek()
        return kms.get_dek("id", create=True) == kms.get_dek("id", create=False)


@pytest.mark.parametrize("variable", [*ENVIRONMENT, "all"])
def test_environment_overrides_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name, value in ENVIRONMENT.items():
        if variable in {name, "all"}:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "localhost")  # where the token server and the KMS are
    assert use(cloud)


def test_netrc_replaces_no_token(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    session = cloud.open_storage("deks", endpoint=None)._client.get()._http
    url, headers = "https://storage.googleapis.com/", {"Authorization": "Bearer token"}
    request = session.prepare_request(requests.Request("GET", url, headers))
    assert request.headers["Authorization"] == "Bearer token"


def test_application_default_credentials(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(cloud.account.file))
    assert use(cloud, credentialsPath=None)


def test_no_credentials_at_all(cloud: Cloud) -> None:
    opens: list[Callable[[], object]] = [
        lambda: cloud.open_kek("k", credentialsPath=None),
        lambda: cloud.open_storage("deks", credentialsPath=None),
    ]
    for open_backend in opens:
        with pytest.raises(AuthenticationError, match="gcloud auth application-default login"):
            open_backend()


def test_rejected_account(cloud: Cloud) -> None:
    account = cloud.accounts.make("storage.objects.get")
    del cloud.accounts.known[account.email]
    storage = cloud.open_storage(cloud.make_bucket(), credentialsPath=str(account.file))
    with pytest.raises(AuthenticationError, match="the key in credentialsPath"):
        storage.load_record("id")


def test_a_service_account_requests_no_token_for_a_kek(cloud: Cloud, tmp_path: Path) -> None:
    document = json.loads(cloud.account.file.read_text())
    file = tmp_path / "key.json"
    write_private(file, json.dumps(document | {"token_uri": "http://127.0.0.1:9/token"}))
    kek = cloud.open_kek(cloud.make_key(), credentialsPath=str(file), **PATIENT)
    assert kek.unwrap_dek(kek.wrap_dek(bytes(32), {}), {}) == bytes(32)


def test_credentials_that_cannot_be_renewed_are_no_outage_of_the_kms(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC would tell it as one: its plugin renews them in the middle of a call."""
    file = tmp_path / "user.json"
    write_private(
        file,
        '{"type": "authorized_user", "refresh_token": "PRIVATE", "client_id": "c",'
        ' "client_secret": "PRIVATE"}',
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setattr(
        "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", cloud.accounts.token_uri
    )
    kek = cloud.open_kek(cloud.make_key(), credentialsPath=None, **PATIENT)
    with pytest.raises(AuthenticationError, match="finding credentials on this machine") as caught:
        kek.wrap_dek(bytes(32), {})
    assert not caught.value.retryable
    assert "PRIVATE" not in str(caught.value)


def test_token_endpoint_that_is_down(cloud: Cloud, tmp_path: Path) -> None:
    document = json.loads(cloud.account.file.read_text())
    file = tmp_path / "key.json"
    write_private(file, json.dumps(document | {"token_uri": "http://127.0.0.1:9/token"}))
    storage = cloud.open_storage(cloud.make_bucket(), credentialsPath=str(file), **PATIENT)
    with pytest.raises(UnavailableError) as caught:
        storage.load_record("id")
    assert caught.value.retryable


def test_public_endpoints(cloud: Cloud) -> None:
    kek = cloud.open_kek("k", endpoint=None)
    assert kek._client.get().api_endpoint == "cloudkms.googleapis.com:443"
    storage = cloud.open_storage("deks", endpoint=None)
    assert storage._client.get().api_endpoint == "https://storage.googleapis.com"
    assert storage.describe_storage().location == "gs://deks/"


def test_sovereign_cloud(cloud: Cloud, tmp_path: Path) -> None:
    """The universe that the config names says where the services are."""
    document = json.loads(cloud.account.file.read_text())
    file = tmp_path / "key.json"
    write_private(file, json.dumps(document | {"universe_domain": "example.com"}))
    there = {"endpoint": None, "credentialsPath": str(file), "universeDomain": "example.com"}
    assert cloud.open_kek("k", **there)._client._opened.get().client.api_endpoint == (
        "cloudkms.example.com:443"
    )
    storage = cloud.open_storage("deks", **there)
    assert storage._client._opened.get().client.api_endpoint == "https://storage.example.com"
