"""The mistakes that a newcomer to Google Cloud is most likely to make, and what she is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    UnavailableError,
)
from tests.fakes.certificates import make_certificates
from tests.fakes.gcp.kms_faults import refuse
from tests.fakes.gcp.kms_server import Algorithm, State, start_kms_server
from tests.fakes.gcp.storage_server import say
from tests.gcp.cloud import KEK_PERMISSIONS, PATIENT, RECORD_PERMISSIONS, Cloud
from tests.mistakes import Setup, told_by
from tests.secret_files import write_private

__all__ = ["told_by"]
pytestmark = pytest.mark.usefixtures("told_by")

PATH, FILE = "credentialsPath", "GOOGLE_APPLICATION_CREDENTIALS"
LOCATION = (
    "The request concerns location 'europe-west33' but was sent to location 'global'. Either Cloud "
    "KMS is not available in 'europe-west33' or the request was misrouted."
)
SHORT = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)
HIDDEN = "Permission denied on resource (or it may not exist)."


@pytest.fixture
def gcp(cloud: Cloud, name: str, bucket: str) -> Setup:
    more = {"backend": "gcp", **PATIENT, "maxAttempts": 1}
    kek, storage = cloud.kek_parameters(name, **more), cloud.storage_parameters(bucket, **more)
    return Setup(kek, storage)


class TestKey:
    @pytest.mark.parametrize("part", ["keyName", "keyRing", "projectID"])
    def test_wrong_name(self, gcp: Setup, part: str) -> None:
        gcp.but(kek={part: "dekz"}).tells(
            KekNotFoundError,
            "dekz",
            "no such KEK",
            "projectID, location, keyRing, keyName or keyVersion",
        )

    def test_location_that_does_not_exist(self, gcp: Setup, cloud: Cloud) -> None:
        cloud.kms.spoil("Encrypt", refuse(StatusCode.NOT_FOUND, LOCATION))
        gcp.but(kek={"location": "europe-west33"}).tells(
            KekNotFoundError, "europe-west33", "no such location", "correct location"
        )

    def test_zone_in_place_of_the_location(self, gcp: Setup) -> None:
        gcp.but(kek={"location": "europe-west3-a"}).tells(
            ConfigError, "location", "zone", "give the region"
        )

    def test_resource_name_in_place_of_the_keys_name(self, gcp: Setup) -> None:
        whole = "projects/p/locations/europe-west3/keyRings/deks/cryptoKeys/kek"
        gcp.but(kek={"keyName": whole}).tells(ConfigError, "keyName", "keyRing", "location")

    def test_title_in_place_of_the_projects_id(self, gcp: Setup) -> None:
        gcp.but(kek={"projectID": "My First Project"}).tells(
            ConfigError, "projectID is no project's id", "gcloud projects list"
        )

    def test_disabled_version(self, gcp: Setup, cloud: Cloud, name: str) -> None:
        cloud.key(name).versions[0].state = State.DISABLED
        gcp.tells(KekDisabledError, "cryptoKeyVersions/1", "disabled", "enable")

    def test_destroyed_version(self, gcp: Setup, cloud: Cloud, name: str) -> None:
        cloud.key(name).versions[0].state = State.DESTROYED
        gcp.tells(KekDisabledError, "cryptoKeyVersions/1", "destroyed", "primary")

    def test_version_that_is_to_be_destroyed(self, gcp: Setup, cloud: Cloud, name: str) -> None:
        cloud.key(name).versions[0].state = State.DESTROY_SCHEDULED
        gcp.tells(KekDisabledError, "cryptoKeyVersions/1", "restore")

    def test_key_of_another_purpose(self, gcp: Setup, cloud: Cloud) -> None:
        for algorithm in (Algorithm.RSA_SIGN_PSS_2048_SHA256, Algorithm.HMAC_SHA256):
            key = cloud.make_key(algorithm=algorithm)
            gcp.but(kek={"keyName": key}).tells(ConfigError, "purpose", "ENCRYPT_DECRYPT")


class TestCredentials:
    @pytest.fixture
    def no_credentials(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PATH", "/nowhere")

    def test_none(self, gcp: Setup, no_credentials: None) -> None:
        gcp.but(both={PATH: None}).tells(
            AuthenticationError,
            "no application default credentials",
            PATH,
            "gcloud auth application-default login",
        )

    def test_file_that_is_not_there(self, gcp: Setup, tmp_path: Path) -> None:
        file = str(tmp_path / "key.json")
        gcp.but(both={PATH: file}).tells(ConfigError, PATH, file, "No such file")

    def test_folder_in_place_of_the_file(self, gcp: Setup, tmp_path: Path) -> None:
        gcp.but(both={PATH: str(tmp_path)}).tells(ConfigError, PATH, "directory")

    def test_file_that_others_may_read(self, gcp: Setup, cloud: Cloud, tmp_path: Path) -> None:
        file = tmp_path / "key.json"
        file.write_text(cloud.account.file.read_text())
        file.chmod(0o644)
        gcp.but(both={PATH: str(file)}).tells(AccessDeniedError, "0644", f"chmod 600 {file}")

    @pytest.mark.parametrize("content", ["", "deks@project.iam.gserviceaccount.com", "{'a': 1}"])
    def test_file_that_is_no_json(self, gcp: Setup, tmp_path: Path, content: str) -> None:
        file = write_private(tmp_path / "key.json", content)
        gcp.but(both={PATH: str(file)}).tells(
            ConfigError, PATH, "JSON", "gcloud iam service-accounts keys create"
        )

    @pytest.mark.parametrize("kind", ["installed", "web"])
    def test_file_of_an_oauth_client(self, gcp: Setup, tmp_path: Path, kind: str) -> None:
        client = {"client_id": "1.apps.googleusercontent.com", "client_secret": "PRIVATE"}
        file = write_private(tmp_path / "client.json", json.dumps({kind: client}))
        gcp.but(both={PATH: str(file)}).tells(ConfigError, PATH, "OAuth client", "service account")

    def test_key_with_its_line_breaks_lost(self, gcp: Setup, cloud: Cloud, tmp_path: Path) -> None:
        """As a shell or an environment variable leaves it."""
        document = json.loads(cloud.account.file.read_text())
        document["private_key"] = document["private_key"].replace("\n", "\\n")
        file = write_private(tmp_path / "key.json", json.dumps(document))
        gcp.but(both={PATH: str(file)}).tells(ConfigError, PATH, "private_key", "line breaks")

    def test_key_that_was_deleted(self, gcp: Setup, cloud: Cloud, answer: Any) -> None:
        answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        gcp.tells(AuthenticationError, "key", "deleted", PATH)

    def test_account_that_was_deleted(self, gcp: Setup, cloud: Cloud, answer: Any) -> None:
        text = "Invalid grant: account not found"
        answer({"error": "invalid_grant", "error_description": text})
        gcp.tells(AuthenticationError, "service account", "deleted", PATH)

    def test_clock_that_is_off(self, gcp: Setup, answer: Any) -> None:
        answer({"error": "invalid_grant", "error_description": SHORT})
        gcp.tells(AuthenticationError, "clock", "set it")

    def test_login_that_has_expired(self, gcp: Setup, cloud: Cloud, login: Path) -> None:
        gcp.but(both={PATH: str(login)}).tells(
            AuthenticationError, "expired or was revoked", "gcloud auth application-default login"
        )


class TestPermissions:
    @pytest.mark.parametrize("missing", KEK_PERMISSIONS[1:])
    def test_of_the_key(self, gcp: Setup, cloud: Cloud, missing: str) -> None:
        all_but = {*KEK_PERMISSIONS, *RECORD_PERMISSIONS} - {missing}
        account = cloud.accounts.make(*all_but)
        gcp.but(both={PATH: str(account.file)}).tells(
            AccessDeniedError,
            f"{missing} on projects/",
            "grant",
            "roles/cloudkms.cryptoKeyEncrypterDecrypter",
            unsaid="may not exist" if missing.endswith("useToDecrypt") else None,
        )

    @pytest.mark.parametrize("missing", RECORD_PERMISSIONS)
    def test_of_the_bucket(self, gcp: Setup, cloud: Cloud, missing: str) -> None:
        account = cloud.accounts.make(*{*KEK_PERMISSIONS, *RECORD_PERMISSIONS} - {missing})
        text = (AccessDeniedError, f"{missing} on gs://", "grant", "roles/storage.objectUser")
        gcp.but(both={PATH: str(account.file)}).tells(*text)

    def test_key_of_another_project(self, gcp: Setup, cloud: Cloud) -> None:
        cloud.kms.spoil("Encrypt", refuse(StatusCode.PERMISSION_DENIED, HIDDEN))
        gcp.but(kek={"projectID": "another-project"}).tells(
            AccessDeniedError, "projects/another-project/", "grant", "may not exist", "projectID"
        )

    def test_disabled_api(self, gcp: Setup, cloud: Cloud) -> None:
        cloud.kms.spoil("Encrypt", refuse(StatusCode.PERMISSION_DENIED, reason="SERVICE_DISABLED"))
        gcp.tells(
            AccessDeniedError, "API", "gcloud services enable cloudkms.googleapis.com", "project"
        )

    def test_disabled_billing(self, gcp: Setup, cloud: Cloud) -> None:
        cloud.kms.spoil("Encrypt", refuse(StatusCode.PERMISSION_DENIED, reason="BILLING_DISABLED"))
        gcp.tells(AccessDeniedError, "billing is disabled", "enable it")

    def test_scopes_of_a_virtual_machine(self, gcp: Setup, cloud: Cloud) -> None:
        reason = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
        cloud.kms.spoil("Encrypt", refuse(StatusCode.PERMISSION_DENIED, reason=reason))
        gcp.tells(AccessDeniedError, "scope", "auth/cloud-platform")


class TestBucket:
    def test_typo(self, gcp: Setup, cloud: Cloud) -> None:
        gcp.but(storage={"bucket": "deeks-of-nobody"}).tells(
            ConfigError,
            "deeks-of-nobody",
            "no such bucket",
            "correct bucket",
            "createBucket",
            "projectNumber",
        )

    def test_of_another_project(self, gcp: Setup, cloud: Cloud) -> None:
        for call in ("get", "create"):
            cloud.front.spoil(f"storage.objects.{call}", say(403, HIDDEN, "forbidden"))
        gcp.tells(AccessDeniedError, "storage.objects.create", "grant", "correct bucket")

    def test_illegal_name(self, gcp: Setup) -> None:
        for name in ("gs://deks", "My_Bucket", "deks/prod"):
            gcp.but(storage={"bucket": name}).tells(ConfigError, "bucket", "lower-case", "prefix")

    def test_create_without_the_projects_number(self, gcp: Setup) -> None:
        gcp.but(storage={"createBucket": True}).tells(
            ConfigError, "projectNumber", "gcloud projects describe"
        )

    def test_organization_that_refuses_the_bucket(self, gcp: Setup, cloud: Cloud) -> None:
        account = cloud.accounts.make("storage.buckets.create", "storage.buckets.get")
        refused = say(412, "'us' violates constraint 'constraints/gcp.resourceLocations'")
        cloud.front.spoil("storage.buckets.create", refused)
        new = {"bucket": "deks-new", "createBucket": True, "projectNumber": 0}
        gcp.but(storage={PATH: str(account.file)} | new).tells(
            ConfigError,
            "constraints/gcp.resourceLocations",
            "organization policy",
            "location",
            unsaid="yourself",
        )


class TestNetwork:
    def test_nobody_listens(self, gcp: Setup, closed_port: int) -> None:
        url = f"https://localhost:{closed_port}"
        for one in (gcp.but(kek={"endpoint": url}), gcp.but(storage={"endpoint": url})):
            one.tells(UnavailableError, f":{closed_port}: ", "nobody listens there", "endpoint")

    def test_host_that_does_not_exist(self, gcp: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        gcp.but(kek={"endpoint": "https://kms.invalid"}).tells(
            UnavailableError, "kms.invalid", "DNS", "endpoint"
        )

    def test_bucket_on_a_host_that_does_not_exist(
        self, gcp: Setup, monkeypatch: pytest.MonkeyPatch, nobody_knows: None
    ) -> None:
        monkeypatch.setenv("NO_PROXY", "*")
        gcp.but(storage={"endpoint": "https://storage.invalid"}).tells(
            UnavailableError, "storage.invalid", "DNS", "endpoint"
        )

    def test_proxy_that_refuses(
        self, gcp: Setup, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = f"http://127.0.0.1:{closed_port}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        at = f"at 127.0.0.1:{closed_port}"
        gcp.but(kek={"endpoint": None}).tells(UnavailableError, at, "the proxy", "https_proxy")
        gcp.but(storage={"endpoint": None}).tells(UnavailableError, at, "the proxy", "HTTPS_PROXY")

    def test_untrusted_certificate(self, gcp: Setup, cloud: Cloud, tmp_path: Path) -> None:
        with start_kms_server(cloud.accounts, make_certificates(tmp_path / "other")) as another:
            gcp.but(kek={"endpoint": another.endpoint}).tells(
                ConfigError, "certificate", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
            )

    def test_http_in_place_of_https(self, gcp: Setup) -> None:
        gcp.but(kek={"endpoint": "http://cloudkms.googleapis.com"}).tells(
            ConfigError, "endpoint", "plain http", "use https"
        )


@pytest.fixture
def answer(cloud: Cloud) -> Iterator[Any]:
    """Have the token endpoint refuse with what is given."""

    def give(error: dict[str, str]) -> None:
        cloud.tokens.answer = (json.dumps(error), 400)

    yield give
    cloud.tokens.answer = None
