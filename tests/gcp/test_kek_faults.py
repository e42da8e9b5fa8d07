"""Whatever goes wrong between us and Cloud KMS: the right error, in time, and never a key."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
    open_kms,
)
from kms_core.backend import Context
from kms_core.testing import FaultyWire
from kms_gcp.kek import GcpKek
from tests.fakes.certificates import make_certificates
from tests.fakes.gcp.kms_faults import (
    change_reply,
    damage_request,
    damaged,
    drop_from_request,
    hang,
    refuse,
)
from tests.fakes.gcp.kms_server import Fault, start_kms_server
from tests.gcp.cloud import HANGING, PATIENT, Cloud
from tests.gcp.failing import fails

DEK = bytes(range(32))
CONTEXT: Context = {"dek_id": "volume/\u00e9", "size": "32"}


ENCRYPT = [
    damage_request("plaintext"),
    damage_request("additional_authenticated_data"),
    drop_from_request("plaintext_crc32c"),
    drop_from_request("additional_authenticated_data_crc32c"),
    change_reply("ciphertext", damaged),
    change_reply("ciphertext_crc32c", lambda crc: crc ^ 1),
    change_reply("ciphertext_crc32c", lambda _: None),
    change_reply("verified_plaintext_crc32c", lambda _: False),
    change_reply("verified_additional_authenticated_data_crc32c", lambda _: False),
    change_reply("name", lambda name: name.replace("test-project", "another-project")),
    change_reply("name", lambda name: name.rpartition("/")[0] + "/x"),
]
DECRYPT = [
    damage_request("ciphertext"),
    damage_request("additional_authenticated_data"),
    change_reply("plaintext", damaged),
    change_reply("plaintext", lambda _: b""),
    change_reply("plaintext_crc32c", lambda crc: crc ^ 1),
    change_reply("plaintext_crc32c", lambda _: None),
]


@pytest.mark.parametrize("fault", ENCRYPT)
def test_damaged_encrypt_is_retryable(cloud: Cloud, kek: GcpKek, fault: Fault) -> None:
    cloud.kms.spoil("Encrypt", fault, times=1)
    fails(UnavailableError, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=True)
    assert kek.unwrap_dek(kek.wrap_dek(DEK, CONTEXT), CONTEXT) == DEK


@pytest.mark.parametrize("fault", DECRYPT)
def test_damaged_decrypt_is_retryable_and_never_a_key(
    cloud: Cloud, kek: GcpKek, fault: Fault
) -> None:
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    cloud.kms.spoil("Decrypt", fault, times=1)
    fails(UnavailableError, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=True)
    assert kek.unwrap_dek(wrapped, CONTEXT) == DEK


def test_another_version_than_asked_for(cloud: Cloud, name: str) -> None:
    pinned = cloud.open_kek(name, keyVersion="1")
    cloud.kms.spoil("Encrypt", change_reply("name", lambda name: name[:-1] + "2"))
    fails(UnavailableError, lambda: pinned.wrap_dek(DEK, CONTEXT), retryable=True)


def test_damaged_description_is_retryable(cloud: Cloud, kek: GcpKek) -> None:
    cloud.kms.spoil("GetCryptoKeyVersion", change_reply("name", lambda name: name + "0"), times=1)
    fails(UnavailableError, kek.describe_kek, retryable=True)


CODES: list[tuple[StatusCode, type[KmsError], bool]] = [
    (StatusCode.ABORTED, UnavailableError, True),
    (StatusCode.CANCELLED, UnavailableError, True),
    (StatusCode.DATA_LOSS, UnavailableError, True),
    (StatusCode.DEADLINE_EXCEEDED, UnavailableError, True),
    (StatusCode.INTERNAL, UnavailableError, True),
    (StatusCode.UNAVAILABLE, UnavailableError, True),
    (StatusCode.UNKNOWN, UnavailableError, True),
    (StatusCode.RESOURCE_EXHAUSTED, ThrottledError, True),
    (StatusCode.PERMISSION_DENIED, AccessDeniedError, False),
    (StatusCode.UNAUTHENTICATED, AuthenticationError, False),
    (StatusCode.NOT_FOUND, KekNotFoundError, False),
    (StatusCode.FAILED_PRECONDITION, KekDisabledError, False),
    (StatusCode.UNIMPLEMENTED, OperationError, False),
    (StatusCode.OUT_OF_RANGE, OperationError, False),
]


@pytest.mark.parametrize(("code", "kind", "retryable"), CODES)
def test_codes(
    cloud: Cloud, kek: GcpKek, code: StatusCode, kind: type[KmsError], *, retryable: bool
) -> None:
    wrapped = kek.wrap_dek(DEK, CONTEXT)
    for method in ("Encrypt", "Decrypt", "GetCryptoKeyVersion"):
        cloud.kms.spoil(method, refuse(code))
    pinned: Callable[[], object] = kek.describe_kek
    uses: list[Callable[[], object]] = [
        lambda: kek.wrap_dek(DEK, CONTEXT),
        lambda: kek.unwrap_dek(wrapped, CONTEXT),
        pinned,
    ]
    for use in uses:
        error = fails(kind, use, retryable=retryable)
        assert "from the test" not in str(error)
        assert error.__cause__ is not None


REASONS = [
    ("SERVICE_DISABLED", AccessDeniedError, "gcloud services enable"),
    ("BILLING_DISABLED", AccessDeniedError, "billing is disabled"),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", AccessDeniedError, "auth/cloud-platform"),
    ("SECURITY_POLICY_VIOLATED", AccessDeniedError, "VPC Service Controls"),
    ("USER_PROJECT_DENIED", AccessDeniedError, "serviceusage.services.use"),
    ("RATE_LIMIT_EXCEEDED", ThrottledError, "quota"),
    ("IAM_PERMISSION_DENIED", AccessDeniedError, "grant this permission"),
]


@pytest.mark.parametrize(("reason", "kind", "cure"), REASONS)
def test_reasons_of_a_refusal(
    cloud: Cloud, kek: GcpKek, reason: str, kind: type[KmsError], cure: str
) -> None:
    cloud.kms.spoil("Encrypt", refuse(StatusCode.PERMISSION_DENIED, reason=reason))
    error = fails(kind, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=kind is ThrottledError)
    assert cure in str(error)


def test_throttled_is_not_tried_again(cloud: Cloud, kek: GcpKek) -> None:
    cloud.kms.spoil("Encrypt", refuse(StatusCode.RESOURCE_EXHAUSTED))
    fails(ThrottledError, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=True)
    assert cloud.kms.seen == ["Encrypt"]


def test_unavailable_is_tried_again(cloud: Cloud, kek: GcpKek) -> None:
    cloud.kms.spoil("Encrypt", refuse(StatusCode.UNAVAILABLE), times=2)
    assert kek.unwrap_dek(kek.wrap_dek(DEK, CONTEXT), CONTEXT) == DEK
    assert cloud.kms.seen == ["Encrypt"] * 3 + ["Decrypt"]


def test_each_attempt_counts(cloud: Cloud, name: str) -> None:
    kek = cloud.open_kek(name, maxAttempts=3)
    cloud.kms.spoil("Encrypt", refuse(StatusCode.UNAVAILABLE))
    fails(UnavailableError, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=True)
    assert cloud.kms.seen == ["Encrypt"] * 3


def test_hanging_service(cloud: Cloud, name: str) -> None:
    wrapped = cloud.open_kek(name, **PATIENT).wrap_dek(DEK, CONTEXT)
    kek = cloud.open_kek(name, **HANGING)
    for method in ("Encrypt", "Decrypt", "GetCryptoKeyVersion"):
        cloud.kms.spoil(method, hang)
    fails(UnavailableError, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=True)
    fails(UnavailableError, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=True)
    fails(UnavailableError, kek.describe_kek, retryable=True)


def test_killed_service(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "server.pickle"
    file.write_bytes(pickle.dumps((cloud.accounts, cloud.tls)))
    command = [sys.executable, "-m", "tests.fakes.gcp.kms_faults", str(file), cloud.resource("kek")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = f"https://localhost:{int(server.stdout.readline())}"
            wrapped = cloud.open_kek("kek", endpoint=endpoint, **PATIENT).wrap_dek(DEK, CONTEXT)
            kek = cloud.open_kek("kek", endpoint=endpoint, readTimeout=20, deadline=1)
            threading.Timer(0.5, server.kill).start()  # while Encrypt hangs
            fails(UnavailableError, lambda: kek.wrap_dek(DEK, CONTEXT), retryable=True)
        finally:
            server.kill()
    fails(UnavailableError, lambda: kek.unwrap_dek(wrapped, CONTEXT), retryable=True)


def test_untrusted_certificate(cloud: Cloud, name: str, tmp_path: Path) -> None:
    with start_kms_server(cloud.accounts, make_certificates(tmp_path / "other")) as another:
        kek = cloud.open_kek(name, endpoint=another.endpoint, **PATIENT)
        error = fails(ConfigError, kek.describe_kek)
    assert "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH" in str(error)


def test_a_page_in_place_of_tls(cloud: Cloud, name: str) -> None:
    with closing(FaultyWire()) as wire:
        kek = cloud.open_kek(name, endpoint=wire.to(cloud.kms.endpoint), maxAttempts=1)
        wire.spoil("answers HTTP 500")
        fails(UnavailableError, kek.describe_kek, retryable=True)


def test_certificate_of_another_name(
    cloud: Cloud, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = grpc.secure_channel

    def expect_another(host: str, trusted: Any, options: list[Any]) -> grpc.Channel:
        return create(host, trusted, [*options, ("grpc.ssl_target_name_override", "kms.example")])

    monkeypatch.setattr(grpc, "secure_channel", expect_another)
    error = fails(ConfigError, cloud.open_kek(name).describe_kek)
    assert "certificate" in str(error)


def test_damage_loses_no_dek(cloud: Cloud, name: str) -> None:
    """A reply that was damaged between us and the KMS is never what gets stored."""
    kek = {"backend": "gcp", **cloud.kek_parameters(name)}
    storage = {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket())}
    cloud.kms.spoil("Encrypt", change_reply("ciphertext", damaged), times=1)
    with open_kms(kek, storage) as kms:
        fails(UnavailableError, lambda: kms.get_dek("id", create=True), retryable=True)
        assert list(kms.list_dek_ids()) == []
        dek = kms.get_dek("id", create=True)
        cloud.kms.spoil("Decrypt", change_reply("plaintext", damaged), times=1)
        fails(UnavailableError, lambda: kms.get_dek("id", create=True), retryable=True)
        assert kms.get_dek("id", create=True) == dek
