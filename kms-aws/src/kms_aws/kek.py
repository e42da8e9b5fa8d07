"""``kms://aws``: a KEK in AWS KMS. Calls DescribeKey, Encrypt and Decrypt, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kms_aws.client import AwsClient, muted
from kms_aws.config import AwsKekConfig
from kms_aws.errors import CALL
from kms_core import ConfigError, DekSizeError, KekDisabledError, KekInfo, UnwrapError
from kms_core.backend import (
    Context,
    KekSpec,
    WrappedDek,
    check_kek,
    hookimpl,
    read_part,
    translate_errors,
)

if TYPE_CHECKING:  # stubs, which only type checkers need
    from mypy_boto3_kms import KMSClient

_ALGORITHM = "SYMMETRIC_DEFAULT"
_MAX_PLAINTEXT = 4096
_MAX_CIPHERTEXT = 6144
_USABLE = {"Enabled", "Updating"}


class AwsKek(KekSpec):
    """Wraps with the context as the encryption context.

    KMS keeps versions of a KEK to itself, so ``kek_version`` is empty. An alias is looked up once
    for each opening, so that all its records name one KEK.
    """

    Config = AwsKekConfig

    def __init__(self, config: AwsKekConfig) -> None:
        self._key_name = config.key_name
        self._key_arn = config.key_arn
        self._client: AwsClient[KMSClient] = AwsClient("kms", config)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        if len(dek) > _MAX_PLAINTEXT:
            raise DekSizeError(
                f"AWS KMS wraps at most {_MAX_PLAINTEXT} bytes, and this DEK has {len(dek)}; "
                "ask for a smaller one"
            )
        key_arn, client = self._find_key(), self._client.get()
        with muted(), translate_errors(CALL, "kms:Encrypt", key_arn):
            reply = client.encrypt(KeyId=key_arn, Plaintext=dek, EncryptionContext=dict(context))
        return WrappedDek(read_part(reply, "CiphertextBlob", bytes), key_arn, "", _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        key_arn = self._find_key()
        check_kek(wrapped, key_arn, _ALGORITHM)
        if wrapped.kek_version or not 1 <= len(wrapped.ciphertext) <= _MAX_CIPHERTEXT:
            raise UnwrapError
        client = self._client.get()
        with muted(), translate_errors(CALL, "kms:Decrypt", key_arn):
            reply = client.decrypt(
                KeyId=key_arn, CiphertextBlob=wrapped.ciphertext, EncryptionContext=dict(context)
            )
        if read_part(reply, "KeyId", str) != key_arn:
            raise UnwrapError
        return read_part(reply, "Plaintext", bytes)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        key = self._describe(self._key_arn or self._key_name)
        arn, state = read_part(key, "Arn", str), key.get("KeyState", "of unknown state")
        if state not in _USABLE:
            raise KekDisabledError(f"{arn} is {state}; enable it, or cancel its deletion")
        if _ALGORITHM not in key.get("EncryptionAlgorithms", ()):
            raise ConfigError(f"{arn} is no symmetric KEK that encrypts and decrypts; use one")
        return KekInfo(arn, "", _ALGORITHM)

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _find_key(self) -> str:
        if self._key_arn is None:
            self._key_arn = read_part(self._describe(self._key_name), "Arn", str)
        return self._key_arn

    def _describe(self, name: str) -> Mapping[str, Any]:
        client = self._client.get()
        with muted(), translate_errors(CALL, "kms:DescribeKey", name):
            reply = client.describe_key(KeyId=name)
        return read_part(reply, "KeyMetadata", dict)
