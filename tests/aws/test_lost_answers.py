"""Whatever becomes of a call or its answer, no DEK is lost and none is made twice."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import pytest

from kms_aws.storage import AwsStorage
from kms_core import AccessDeniedError, DekNotFoundError, Kms, OperationError
from kms_core.testing import Client
from tests.aws.cloud import FaultProxy
from tests.aws.faults import PATIENT, SOME_HANG
from tests.fakes.aws.faults import s3_error
from tests.fakes.proxy import Exchange, Fault, drop, hang, lose_answer, pass_on, say


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Mapping[str, float]:
    """Short where the test's fault hangs."""
    parameters = getattr(request.node, "callspec", None)
    hangs = parameters is not None and parameters.params.get("fault") is hang
    return SOME_HANG if hangs else PATIENT


@pytest.mark.parametrize("fault", [hang, drop, say(500, b""), s3_error("SlowDown", 503)])
def test_sdk_tries_again(proxy: FaultProxy, kms: Kms, fault: Fault) -> None:
    for call in ("Encrypt", "Decrypt", "GET", "PUT"):
        proxy.spoil(call, fault, times=1)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


@pytest.mark.parametrize("times", [1, 2])
def test_create_whose_answer_is_lost(proxy: FaultProxy, kms: Kms, times: int) -> None:
    kms.get_dek("another", create=True)  # the probe has been made
    proxy.spoil("PUT", lose_answer, times=times)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


@pytest.mark.parametrize("fault", [hang, drop, say(500, b""), s3_error("SlowDown", 503)])
def test_create_that_did_not_land(
    proxy: FaultProxy, kms: Kms, fault: Fault, limits: Mapping[str, int]
) -> None:
    kms.get_dek("another", create=True)
    proxy.spoil("PUT", fault, times=limits["maxAttempts"])
    with pytest.raises(OperationError) as caught:
        kms.get_dek("id", create=True)
    assert caught.value.retryable
    with pytest.raises(DekNotFoundError):
        kms.get_dek("id", create=False)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_conflicting_create_is_tried_again(proxy: FaultProxy, kms: Kms) -> None:
    kms.get_dek("another", create=True)
    proxy.spoil("PUT", s3_error("ConditionalRequestConflict", 409), times=3)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_replace_whose_answer_is_lost(proxy: FaultProxy, storage: AwsStorage) -> None:
    first = storage.create_record("id", b"first")
    proxy.spoil("PUT", pass_on, times=1)  # the probe
    proxy.spoil("PUT", lose_answer, times=1)
    second = Client(storage, "storage").bound.replace_record("id", b"second", first)
    assert storage.load_record("id").data == b"second"
    assert storage.load_record("id").revision == second


def hide_missing(exchange: Exchange) -> None:
    """S3 to those who may not list the bucket; moto and MiniStack tell them what is missing."""
    reply = exchange.forward()
    if reply.status == HTTPStatus.NOT_FOUND:
        s3_error("AccessDenied", 403)(exchange)
    else:
        exchange.answer(reply)


def test_missing_record_that_is_hidden(proxy: FaultProxy, kms: Kms) -> None:
    proxy.spoil("GET", hide_missing)
    with pytest.raises(AccessDeniedError, match=r"or there is no such record.*s3:ListBucket"):
        kms.get_dek("id", create=False)
    dek = kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


def test_record_that_nobody_may_read(proxy: FaultProxy, kms: Kms) -> None:
    dek = kms.get_dek("id", create=True)
    proxy.spoil("GET", s3_error("AccessDenied", 403), times=2)
    with pytest.raises(AccessDeniedError, match="s3:GetObject on arn:aws:s3:::"):
        kms.get_dek("id", create=True)
    assert kms.get_dek("id", create=False) == dek


@pytest.fixture
def due(proxy: FaultProxy, kms: Kms) -> bytes:
    """A DEK that older key material wrapped; the probe of replacing has been made."""
    dek = kms.create_dek("due")
    for _ in range(2):
        proxy.cloud.rotate(kms.describe_kek().kek_id)
        assert kms.rewrap_dek("due")
    proxy.cloud.rotate(kms.describe_kek().kek_id)
    return dek


@pytest.mark.parametrize("answer", [say(200, b"<html>Sign in</html>"), say(204), say(202)])
def test_bare_answers_to_who_looks_after_deks(
    proxy: FaultProxy, kms: Kms, due: bytes, answer: Fault
) -> None:
    """Nothing was done, and nobody is told that it was."""
    before = kms.describe_dek("due")
    for call, use in (("PUT", kms.rewrap_dek), ("DELETE", kms.delete_dek)):
        proxy.spoil(call, answer)
        with pytest.raises(OperationError):
            use("due")
        proxy.spoil_nothing()
        assert kms.describe_dek("due") == before
    assert kms.get_dek("due") == due


@pytest.mark.parametrize("fault", [lose_answer, drop])
def test_one_lost_answer_to_who_looks_after_deks(
    proxy: FaultProxy, kms: Kms, due: bytes, fault: Fault
) -> None:
    proxy.spoil("PUT", fault, times=1)
    assert kms.rewrap_dek("due")
    assert kms.get_dek("due") == due
    proxy.spoil("DELETE", fault, times=1)
    kms.delete_dek("due")
    with pytest.raises(DekNotFoundError):
        kms.get_dek("due")
