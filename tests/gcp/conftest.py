"""The servers, an environment that says nothing of Google Cloud, and every permission used."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from kms_core import Kms, open_kms
from kms_gcp.kek import GcpKek
from kms_gcp.storage import GcpStorage
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.gcp.accounts import Accounts
from tests.fakes.gcp.kms_server import start_kms_server
from tests.fakes.gcp.storage_server import start_fake_gcs, start_front
from tests.fakes.gcp.token_server import start_token_server
from tests.fakes.process import listening_ports
from tests.fakes.proxy import Exchange, Proxy, run_proxy, say
from tests.fakes.tunnel import start_tunnel
from tests.gcp.cloud import (
    KEK_PERMISSIONS,
    MORE_PERMISSIONS,
    PATIENT,
    PROMISED,
    RECORD_PERMISSIONS,
    Cloud,
)
from tests.secret_files import write_private

ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificates]:
    """A throw-away CA, which gRPC trusts from its first use on: it reads this variable once, so
    there is one CA for all folders of tests.
    """
    tls = make_certificates(tmp_path_factory.getbasetemp() / "tls-of-gcp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOTS, str(tls.authority))
        yield tls


@pytest.fixture(scope="session")
def servers(tls: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with ExitStack() as running:
        tokens, token_uri = running.enter_context(start_token_server())
        accounts = tokens.accounts = Accounts(tmp_path_factory.mktemp("accounts"), token_uri)
        kms = running.enter_context(start_kms_server(accounts, tls))
        upstream = running.enter_context(start_fake_gcs()).url
        front = running.enter_context(start_front(upstream, tokens, accounts))
        assert listening_ports(psutil.Process())
        account = accounts.make(*KEK_PERMISSIONS, *RECORD_PERMISSIONS, *MORE_PERMISSIONS)
        yield Cloud(tls, accounts, tokens, kms, front, account)


@pytest.fixture
def cloud(servers: Cloud) -> Iterator[Cloud]:
    """Google Cloud; whatever a test does there needs no permission that is not promised to do."""
    servers.accounts.used.clear()
    servers.kms.seen.clear()
    servers.kms.requests.clear()
    servers.kms.payers.clear()
    yield servers
    servers.kms.spoil_nothing()
    servers.front.spoil_nothing()
    assert servers.accounts.used <= PROMISED
    assert set(servers.kms.seen) <= {"Encrypt", "Decrypt", "GetCryptoKeyVersion"}


@pytest.fixture(autouse=True)
def _no_cloud_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("GOOGLE_", "CLOUDSDK_", "GCE_", "STORAGE_", "GCLOUD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # Nothing leaves this machine.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))


@pytest.fixture
def name(cloud: Cloud) -> str:
    """A new key."""
    return cloud.make_key()


@pytest.fixture
def limits() -> Mapping[str, float]:
    """How long the backends below wait."""
    return PATIENT


@pytest.fixture
def kek(cloud: Cloud, name: str, limits: Mapping[str, float]) -> GcpKek:
    """The KEK of the new key."""
    return cloud.open_kek(name, **limits)


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A new bucket."""
    return cloud.make_bucket()


@pytest.fixture
def storage(cloud: Cloud, bucket: str, limits: Mapping[str, float]) -> GcpStorage:
    """The storage in the new bucket."""
    return cloud.open_storage(bucket, **limits)


@pytest.fixture
def kms(cloud: Cloud, name: str, bucket: str, limits: Mapping[str, float]) -> Iterator[Kms]:
    """Both, opened as users open them."""
    kek = {"backend": "gcp", **cloud.kek_parameters(name, **limits)}
    storage = {"backend": "gcp", **cloud.storage_parameters(bucket, **limits)}
    with open_kms(kek, storage) as kms:
        yield kms


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of `gcloud auth application-default login`, whose token was revoked since.

    The SDK asks Google's own host for another token, whatever the file says.
    """
    tls = make_certificates(tmp_path / "tls", "oauth2.googleapis.com")
    text = "Token has been expired or revoked."
    refused = json.dumps({"error": "invalid_grant", "error_description": text}).encode()
    google = Proxy("https://127.0.0.1:9", tls)
    google.spoil("POST", say(400, refused, Content_Type="application/json"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.authority))
    with run_proxy(google, Exchange), start_tunnel(google.url) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel)
        client = {"client_id": "1.apps.googleusercontent.com", "client_secret": "s"}
        document = {"type": "authorized_user", "refresh_token": "r", **client}
        yield write_private(tmp_path / "login.json", json.dumps(document))
