"""``kms://aws``: a KEK in AWS KMS. Calls DescribeKey, Encrypt and Decrypt, and nothing else, unless
it is told to rewrap inside the KMS, which is ReEncrypt.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kms_aws.client import AwsClient, muted
from kms_aws.config import AwsKekConfig
from kms_aws.errors import BY_KEY_ID, CALL, UNWRAP
from kms_aws.permissions import HOOKS, write_policy
from kms_aws.route import find_kms_route
from kms_core import (
    ConfigError,
    DekSizeError,
    KekDisabledError,
    KekInfo,
    KekNotFoundError,
    UnwrapError,
)
from kms_core.backend import (
    Context,
    KekSpec,
    Risk,
    WrappedDek,
    check_kek,
    hookimpl,
    read_part,
    translate_errors,
)

if TYPE_CHECKING:  # stubs, which only type checkers need
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.type_defs import DecryptResponseTypeDef

_ALGORITHM = "SYMMETRIC_DEFAULT"
_MAX_PLAINTEXT = 4096
_MAX_CIPHERTEXT = 6144
_USABLE = {"Enabled", "Updating"}
_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")
_MULTI_REGION = re.compile(r"(arn:[a-z-]+:kms):[a-z0-9-]+(:\d{12}:key/mrk-.+)")


class AwsKek(KekSpec):
    """Wraps with the context as the encryption context.

    KMS keeps versions of a KEK to itself, so ``kek_version`` is empty. An alias is looked up once
    for each opening, so that all its records name one KEK.
    """

    Config = AwsKekConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_kms_route)

    def __init__(self, config: AwsKekConfig) -> None:
        self._key_name = config.key_name
        self._endpoint = config.endpoint
        self._key_arn = config.key_arn
        self._region = config.region
        self._alias = config.key_name if config.call_by_alias else None
        self._client: AwsClient[KMSClient] = AwsClient("kms", config)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        if len(dek) > _MAX_PLAINTEXT:
            raise DekSizeError(
                f"AWS KMS wraps at most {_MAX_PLAINTEXT} bytes, 32 of which core needs; ask for a "
                "smaller DEK"
            )
        key_arn, client = self._find_key(), self._client.get()
        with muted(), translate_errors(CALL, "kms:Encrypt", key_arn):
            reply = client.encrypt(
                KeyId=self._alias or key_arn, Plaintext=dek, EncryptionContext=dict(context)
            )
        ciphertext, used = read_part(reply, "CiphertextBlob", bytes), read_part(reply, "KeyId", str)
        if used != key_arn:
            self._require_same(key_arn)
        return WrappedDek(ciphertext, used, "", _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return read_part(self._unwrap(wrapped, context), "Plaintext", bytes)

    @hookimpl
    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        return self._unwrap(wrapped, context).get("KeyMaterialId", "")

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        key_arn = self._find_key()
        _check(wrapped, key_arn)
        client, named = self._client.get(), self._alias or key_arn
        with muted(), translate_errors(CALL, "kms:ReEncryptFrom and kms:ReEncryptTo", key_arn):
            reply = client.re_encrypt(
                CiphertextBlob=wrapped.ciphertext,
                SourceKeyId=named,
                SourceEncryptionContext=dict(context),
                DestinationKeyId=named,
                DestinationEncryptionContext=dict(context),
            )
        if {read_part(reply, name, str) for name in ("SourceKeyId", "KeyId")} != {key_arn}:
            raise UnwrapError
        before, now = reply.get("SourceKeyMaterialId"), reply.get("DestinationKeyMaterialId")
        if before is not None and before == now:  # be it by a replica's name
            return wrapped
        return WrappedDek(read_part(reply, "CiphertextBlob", bytes), key_arn, "", _ALGORITHM)

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        if kek_version or not 1 <= len(ciphertext) <= _MAX_CIPHERTEXT:
            raise UnwrapError
        return read_part(self._open(ciphertext, {}), "Plaintext", bytes)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        key = self._describe(self._key_arn or self._key_name)
        arn, state = read_part(key, "Arn", str), key.get("KeyState", "of unknown state")
        if state not in _USABLE:
            cure = "cancel its deletion if that is pending, and enable it"
            raise KekDisabledError(f"{arn} is {state}; {cure}")
        if _ALGORITHM not in key.get("EncryptionAlgorithms", ()):
            raise ConfigError(f"{arn} is no symmetric KEK that encrypts and decrypts; use one")
        return KekInfo(arn, "", _ALGORITHM, key.get("CurrentKeyMaterialId", ""))

    @hookimpl
    def rotation_command(self) -> str:
        key = self._describe(self._key_arn or self._key_name)
        replicas = key.get("MultiRegionConfiguration") or {}  # which are rotated by their primary
        arn = read_part(replicas.get("PrimaryKey") or key, "Arn", str)
        *_, region = arn.split(":")[:4]
        words = ["aws", "kms", "rotate-key-on-demand", "--key-id", arn, "--region", region]
        if self._endpoint:
            words += ["--endpoint-url", self._endpoint]
        return shlex.join(words)

    @hookimpl
    def find_risks(self) -> list[Risk]:
        if ":alias/" not in f":{self._key_name}" or self._alias is not None:
            return []
        problem = (
            f"{self._key_name} is an alias; whoever points it to another key has new DEKs wrapped "
            "by that one, and no stored DEK opens any more"
        )
        return [Risk("KEK-ALIAS", problem, f"give {self._find_key()} as keyName")]

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _find_key(self) -> str:
        if self._key_arn is None:
            self._key_arn = read_part(self._describe(self._key_name), "Arn", str)
        return self._key_arn

    def _unwrap(self, wrapped: WrappedDek, context: Context) -> DecryptResponseTypeDef:
        _check(wrapped, self._find_key())
        return self._open(wrapped.ciphertext, context)

    def _open(self, ciphertext: bytes, context: Context) -> DecryptResponseTypeDef:
        key_arn = self._find_key()
        try:
            reply = self._decrypt(key_arn, ciphertext, context)
        except UnwrapError:
            self._require_same(key_arn)
            raise
        if read_part(reply, "KeyId", str) != key_arn:
            raise UnwrapError
        return reply

    def _decrypt(self, key_arn: str, ciphertext: bytes, context: Context) -> DecryptResponseTypeDef:
        client = self._client.get()
        with muted(), translate_errors(UNWRAP, "kms:Decrypt", key_arn):
            return client.decrypt(
                KeyId=self._alias or key_arn,
                CiphertextBlob=ciphertext,
                EncryptionContext=dict(context),
            )

    def _require_same(self, key_arn: str) -> None:
        """Raise KekNotFoundError if the alias by which KMS is called names another key by now."""
        now = key_arn if self._alias is None else read_part(self._describe(self._alias), "Arn", str)
        if now != key_arn:
            raise KekNotFoundError(
                f"{self._alias} named {key_arn!r} when it was opened, and names {now!r} now; point "
                "it back, or open what the new KEK wrapped anew"
            )

    def _describe(self, name: str) -> Mapping[str, Any]:
        client = self._client.get()
        place = name if name.startswith("arn:") else f"{name} in {self._region}"
        errors = BY_KEY_ID if _KEY_ID.fullmatch(name) else CALL
        with muted(), translate_errors(errors, "kms:DescribeKey", place):
            reply = client.describe_key(KeyId=name)
        return read_part(reply, "KeyMetadata", dict)


def _check(wrapped: WrappedDek, key_arn: str) -> None:
    check_kek(_as_seen_from(key_arn, wrapped), key_arn, _ALGORITHM)
    if wrapped.kek_version or not 1 <= len(wrapped.ciphertext) <= _MAX_CIPHERTEXT:
        raise UnwrapError


def _as_seen_from(key_arn: str, wrapped: WrappedDek) -> WrappedDek:
    """Give what a replica of the key has wrapped, in another region, this region's name."""
    ours, theirs = _MULTI_REGION.fullmatch(key_arn), _MULTI_REGION.fullmatch(wrapped.kek_id)
    same = ours is not None and theirs is not None and ours.groups() == theirs.groups()
    return replace(wrapped, kek_id=key_arn) if same else wrapped
