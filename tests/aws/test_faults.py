"""Whatever goes wrong between us and AWS: the right error, in time, and no DEK lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from tests.aws.cloud import Cloud, FaultProxy, start_proxy
from tests.aws.faults import HANGING, PATIENT, SESSION_TOKEN, fails
from tests.fakes.aws.faults import kms_error, s3_error
from tests.fakes.aws.servers import start_moto
from tests.fakes.proxy import Exchange, Fault, Reply, cut_body, drop, hang, say, stall_body

CONTEXT = {"dek_id": "id", "size": "32"}


class Spoiled(NamedTuple):
    """What happens to a call, and what has to come of it."""

    fault: Fault
    kind: type[KmsError]


class Refused(NamedTuple):
    """The code and status that AWS answers, and what has to come of it."""

    code: str
    status: int
    kind: type[KmsError]


EVERYWHERE = [
    Spoiled(hang, UnavailableError),
    Spoiled(drop, UnavailableError),
    Spoiled(cut_body, UnavailableError),
    Spoiled(stall_body, UnavailableError),
    Spoiled(say(200, b"<html>Sign in to this network</html>"), UnavailableError),
    Spoiled(say(500, b""), UnavailableError),
    Spoiled(say(502, b"<html>Bad gateway</html>"), UnavailableError),
    Spoiled(say(503, b""), UnavailableError),
    Spoiled(say(429, b""), ThrottledError),
    Spoiled(say(403, b"<html>Forbidden</html>"), AccessDeniedError),
    Spoiled(say(418, b""), OperationError),
]

OF_KMS = [
    Refused("ThrottlingException", 400, ThrottledError),
    Refused("LimitExceededException", 400, ThrottledError),
    Refused("KMSInternalException", 500, UnavailableError),
    Refused("DependencyTimeoutException", 500, UnavailableError),
    Refused("KeyUnavailableException", 500, UnavailableError),
    Refused("AccessDeniedException", 400, AccessDeniedError),
    Refused("ExpiredTokenException", 400, AuthenticationError),
    Refused("UnrecognizedClientException", 400, AuthenticationError),
    Refused("InvalidSignatureException", 400, AuthenticationError),
    Refused("NotFoundException", 400, KekNotFoundError),
    Refused("DisabledException", 400, KekDisabledError),
    Refused("KMSInvalidStateException", 400, KekDisabledError),
    Refused("InvalidKeyUsageException", 400, ConfigError),
    Refused("IncorrectKeyException", 400, UnwrapError),
    Refused("InvalidCiphertextException", 400, UnwrapError),
    Refused("SomethingNewException", 400, OperationError),
    Refused("SomethingNewException", 500, UnavailableError),
]

OF_S3 = [
    Refused("SlowDown", 503, ThrottledError),
    Refused("ServiceUnavailable", 503, UnavailableError),
    Refused("InternalError", 500, UnavailableError),
    Refused("RequestTimeout", 400, UnavailableError),
    Refused("AccessDenied", 403, AccessDeniedError),
    Refused("ExpiredToken", 400, AuthenticationError),
    Refused("InvalidAccessKeyId", 403, AuthenticationError),
    Refused("SignatureDoesNotMatch", 403, AuthenticationError),
    Refused("RequestTimeTooSkewed", 403, AccessDeniedError),
    Refused("NoSuchBucket", 404, ConfigError),
    Refused("PermanentRedirect", 301, ConfigError),
    Refused("AuthorizationHeaderMalformed", 400, ConfigError),
    Refused("NoSuchKey", 404, DekNotFoundError),
    Refused("ConditionalRequestConflict", 409, ConflictError),
]


@pytest.mark.parametrize("case", EVERYWHERE)
def test_network(proxy: FaultProxy, case: Spoiled) -> None:
    key, bucket = proxy.cloud.make_key(), proxy.cloud.make_bucket()
    wrapped = proxy.cloud.open_kek(key, **PATIENT).wrap_dek(bytes(32), CONTEXT)
    proxy.cloud.open_storage(bucket, **PATIENT).create_record("there", b"data" * 100)
    limits = HANGING if case.fault in {hang, stall_body} else PATIENT
    kek = proxy.cloud.open_kek(key, sessionToken=SESSION_TOKEN, **limits)
    storage = proxy.cloud.open_storage(bucket, sessionToken=SESSION_TOKEN, **limits)
    for call in ("Encrypt", "Decrypt", "DescribeKey", "GET", "PUT"):
        proxy.spoil(call, case.fault)
    uses: list[Callable[[], object]] = [
        lambda: kek.wrap_dek(bytes(32), CONTEXT),
        lambda: kek.unwrap_dek(wrapped, CONTEXT),
        kek.describe_kek,
        lambda: storage.load_record("there"),
        lambda: list(storage.list_dek_ids("")),
    ]
    if case.fault not in {
        cut_body,
        stall_body,
    }:  # S3 answers a PUT without a body, so there is nothing to cut
        uses.append(lambda: storage.create_record("new", b"data"))
    for use in uses:
        fails(case.kind, use)


@pytest.mark.parametrize("case", OF_KMS)
def test_codes_of_kms(proxy: FaultProxy, kek: AwsKek, case: Refused) -> None:
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    proxy.spoil("Decrypt", kms_error(case.code, case.status))
    error = fails(case.kind, lambda: kek.unwrap_dek(wrapped, CONTEXT))
    if case.kind is not UnwrapError:
        assert f"kms:Decrypt on {wrapped.kek_id}: {case.code}: " in str(error)


@pytest.mark.parametrize("case", OF_S3)
def test_codes_of_s3(proxy: FaultProxy, storage: AwsStorage, case: Refused) -> None:
    proxy.spoil("GET", s3_error(case.code, case.status))
    error = fails(case.kind, lambda: storage.load_record("id"))
    assert "s3:GetObject on arn:aws:s3:::" in str(error)
    assert f"/id.json: {case.code}: " in str(error)


def test_only_a_missing_permission_is_taken_for_a_missing_record(
    proxy: FaultProxy, storage: AwsStorage
) -> None:
    codes = (
        ("AccessDenied", AccessDeniedError, True),
        ("ExpiredToken", AuthenticationError, False),
    )
    for code, kind, hidden in codes:
        proxy.spoil("GET", s3_error(code, 403), times=1)
        error = fails(kind, lambda: storage.load_record("id"))
        assert isinstance(error, AccessDeniedError)
        assert error.maybe_missing is hidden
    proxy.spoil("PUT", s3_error("AccessDenied", 403))
    error = fails(AccessDeniedError, lambda: storage.create_record("id", b"data"))
    assert isinstance(error, AccessDeniedError)
    assert not error.maybe_missing


def test_no_server(moto: Cloud) -> None:
    with start_proxy(moto) as gone:
        parameters = PATIENT | {"endpoint": gone.url}
    kek = moto.open_kek(moto.make_key(), **parameters)
    storage = moto.open_storage("bucket", **parameters)
    fails(UnavailableError, lambda: kek.wrap_dek(bytes(32), CONTEXT))
    fails(UnavailableError, lambda: storage.load_record("id"))


def test_server_killed_between_calls() -> None:
    with start_moto() as server:
        cloud = Cloud(server)
        kek = cloud.open_kek(cloud.make_key(), **PATIENT)
        storage = cloud.open_storage(cloud.make_bucket(), **PATIENT)
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
        storage.create_record("id", b"data")
        server.process.kill()
        server.process.wait()
        fails(UnavailableError, lambda: kek.unwrap_dek(wrapped, CONTEXT))
        fails(UnavailableError, lambda: storage.load_record("id"))
        fails(UnavailableError, lambda: storage.create_record("new", b"data"))


@pytest.mark.parametrize("headers", [[("x-amz-bucket-region", "us-west-2")], []])
def test_a_bucket_in_another_region_is_not_followed(
    proxy: FaultProxy, storage: AwsStorage, headers: list[tuple[str, str]]
) -> None:
    storage.create_record("id", b"data")
    body = b"<Error><Code>PermanentRedirect</Code><Endpoint>elsewhere</Endpoint></Error>"
    proxy.spoil("GET", lambda exchange: exchange.answer(Reply(301, body, headers)), times=1)
    proxy.seen.clear()
    error = fails(ConfigError, lambda: storage.load_record("id"))
    assert "correct region" in str(error)
    assert proxy.seen == ["GET"]


def test_what_was_signed_and_sent_back(proxy: FaultProxy, storage: AwsStorage) -> None:
    def send_back(exchange: Exchange) -> None:
        token = exchange.headers["x-amz-security-token"]
        assert token == SESSION_TOKEN
        signed = f"<CanonicalRequest>x-amz-security-token:{token}</CanonicalRequest>"
        body = f"<Error><Code>SignatureDoesNotMatch</Code>{signed}</Error>".encode()
        exchange.answer(Reply(403, body))

    proxy.spoil("GET", send_back)
    fails(AuthenticationError, lambda: storage.load_record("id"))


def test_body_that_was_altered_on_its_way(ministack: Cloud) -> None:
    def alter(exchange: Exchange) -> None:
        reply = exchange.forward()
        reply.body = bytes([reply.body[0] ^ 1]) + reply.body[1:]
        exchange.answer(reply)

    bucket = ministack.make_bucket()
    with start_proxy(ministack) as proxy:
        storage = proxy.cloud.open_storage(bucket, **PATIENT)
        storage.create_record("id", b"data")
        storage.load_record("id")  # a checksum is on some answers only: here on every second
        proxy.spoil("GET", alter)
        fails(UnavailableError, lambda: storage.load_record("id"))


def test_store_without_conditional_writes(proxy: FaultProxy, storage: AwsStorage) -> None:
    proxy.spoil("PUT", s3_error("NotImplemented", 501))
    error = fails(ConfigError, lambda: storage.create_record("id", b"data"))
    assert "conditional writes" in str(error)


@pytest.mark.parametrize("kind", ["kek", "storage"])
def test_a_role_that_is_not_given_is_no_missing_permission_on_the_key(
    moto: Cloud, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kek, storage = moto.open_kek(moto.make_key()), moto.open_storage(moto.make_bucket())
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "AssumeRole")

    def refuse(_: Credentials) -> None:
        raise denied

    monkeypatch.setattr(Credentials, "get_frozen_credentials", refuse)
    monkeypatch.setattr("kms_aws.client.RefreshableCredentials", Credentials)
    with pytest.raises(AccessDeniedError) as caught:
        kek.describe_kek() if kind == "kek" else storage.load_record("id")
    assert str(caught.value).startswith(
        "finding credentials on this machine: AssumeRole: AccessDenied: "
    )
    assert not caught.value.maybe_missing  # or a DEK would be made for a record that is there


def test_each_attempt_counts(moto: Cloud) -> None:
    bucket = moto.make_bucket()
    with start_proxy(moto) as proxy:
        storage = proxy.cloud.open_storage(bucket, **PATIENT | {"maxAttempts": 3})
        proxy.spoil("GET", s3_error("InternalError", 500))
        fails(UnavailableError, lambda: storage.load_record("id"))
        assert len(proxy.seen) == 3
