"""``kms://aws``: a KEK in AWS KMS. Calls DescribeKey, Encrypt and Decrypt, and nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kms_aws.config import AwsKekConfig
from kms_aws.errors import explained
from kms_aws.session import close_client, open_client
from kms_core import ConfigError, DekSizeError, KekDisabledError, KekInfo, UnwrapError
from kms_core.backend import Context, KekSpec, PerProcess, WrappedDek, hookimpl

if TYPE_CHECKING:  # stubs, which only type checkers need
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.type_defs import KeyMetadataTypeDef

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
        self._client: PerProcess[KMSClient] = PerProcess(
            partial(open_client, "kms", config), close_client
        )

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        if len(dek) > _MAX_PLAINTEXT:
            raise DekSizeError(
                f"AWS KMS wraps at most {_MAX_PLAINTEXT} bytes, and this DEK has {len(dek)}; "
                "ask for a smaller one"
            )
        key_arn = self._find_key()
        with explained("kms:Encrypt", key_arn):
            reply = self._client.get().encrypt(
                KeyId=key_arn, Plaintext=dek, EncryptionContext=dict(context)
            )
            return WrappedDek(reply["CiphertextBlob"], key_arn, "", _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        key_arn = self._find_key()
        named = (wrapped.kek_id, wrapped.kek_version, wrapped.algorithm)
        if named != (key_arn, "", _ALGORITHM):
            raise UnwrapError
        if not 1 <= len(wrapped.ciphertext) <= _MAX_CIPHERTEXT:
            raise UnwrapError
        with explained("kms:Decrypt", key_arn):
            reply = self._client.get().decrypt(
                KeyId=key_arn, CiphertextBlob=wrapped.ciphertext, EncryptionContext=dict(context)
            )
            if reply["KeyId"] != key_arn:
                raise UnwrapError
            return reply["Plaintext"]

    @hookimpl
    def describe_kek(self) -> KekInfo:
        key = self._describe(self._key_arn or self._key_name)
        arn, state = key["Arn"], key.get("KeyState", "of unknown state")
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
            self._key_arn = self._describe(self._key_name)["Arn"]
        return self._key_arn

    def _describe(self, name: str) -> KeyMetadataTypeDef:
        with explained("kms:DescribeKey", name):
            return self._client.get().describe_key(KeyId=name)["KeyMetadata"]
