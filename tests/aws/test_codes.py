"""Codes of errors that need words of their own, or that are no code."""

from __future__ import annotations

import pytest

from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from kms_core import (
    AccessDeniedError,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
)
from tests.aws.cloud import FaultProxy
from tests.aws.faults import fails
from tests.fakes.aws.faults import kms_error, s3_error
from tests.fakes.proxy import say

BUCKET_KEY = "the key by which the bucket encrypts, not the KEK"


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("TemporaryRedirect", 307, (UnavailableError, "a new bucket is not known everywhere yet")),
        ("QuotaExceeded", 403, (OperationError, "the store is full")),
        ("KMS.NotFoundException", 400, (OperationError, BUCKET_KEY)),
        ("KMS.DisabledException", 400, (OperationError, BUCKET_KEY)),
        ("KMS.ThrottlingException", 400, (ThrottledError, "slow down")),
        ("NoSuchAccessPoint", 404, (OperationError, "look the code up")),
    ],
)
def test_codes(
    proxy: FaultProxy,
    store: AwsStorage,
    code: str,
    status: int,
    expected: tuple[type[KmsError], str],
) -> None:
    kind, words = expected
    for call, use in (
        ("PUT", lambda: store.create_record("id", b"data")),
        ("GET", lambda: store.load_record("id")),
    ):
        proxy.spoil(call, s3_error(code, status))
        error = fails(kind, use)
        assert words in str(error)
        assert f": {code}: " in str(error)
        proxy.spoil_nothing()


def test_denied_by_the_key_of_the_bucket(proxy: FaultProxy, store: AwsStorage) -> None:
    """It is there, so it must not be taken for a missing record."""
    text = (
        b"<Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/u is not "
        b"authorized to perform: kms:Decrypt on the resource associated with this ciphertext"
        b"</Message></Error>"
    )
    proxy.spoil("GET", say(403, text), times=1)
    error = fails(AccessDeniedError, lambda: store.load_record("id"))
    assert isinstance(error, AccessDeniedError)
    assert not error.maybe_missing
    assert "the key by which the bucket encrypts" in str(error)


@pytest.mark.parametrize("code", ["x" * 5000, "a\nb", "\x1b[31mred"])
def test_codes_that_are_none(proxy: FaultProxy, kek: AwsKek, code: str) -> None:
    proxy.spoil("DescribeKey", kms_error(code, 400))
    error = fails(OperationError, kek.describe_kek)
    assert len(str(error)) < 300
    assert not {"\n", "\x1b"} & set(str(error))
