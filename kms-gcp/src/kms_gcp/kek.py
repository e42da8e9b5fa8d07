"""``kms://gcp``: a KEK in Google Cloud KMS.

Calls Encrypt, Decrypt and GetCryptoKeyVersion, and nothing else. CRC32C of all that is sent and
received is checked at both ends, as Google's data integrity guidelines say.
"""

from __future__ import annotations

import hmac
import shlex
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceGrpcTransport,
)
from google.cloud.kms_v1.types import (
    CryptoKeyVersion,
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    ProtectionLevel,
)
from google_crc32c import value as crc32c

from kms_core import (
    ConfigError,
    DekSizeError,
    KekDisabledError,
    KekInfo,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import (
    Context,
    ErrorTable,
    KekSpec,
    Risk,
    WrappedDek,
    check_kek,
    encode_context,
    hookimpl,
    translate_errors,
)
from kms_gcp.client import GcpClient, kms_arguments, muted
from kms_gcp.config import GcpKekConfig
from kms_gcp.credentials import Token
from kms_gcp.errors import KEK, UNWRAP
from kms_gcp.permissions import HOOKS, write_policy
from kms_gcp.route import find_kms_route

_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_INSIDE, _OUTSIDE = "GOOGLE_SYMMETRIC_ENCRYPTION", "EXTERNAL_SYMMETRIC_ENCRYPTION"
_EXTERNAL = {ProtectionLevel.EXTERNAL, ProtectionLevel.EXTERNAL_VPC}
_MAX_HSM_INPUT = 8192
_TAG_SIZE = 32
_OWN = ("grpc.use_local_subchannel_pool", 1)  # or a new channel gets an old one's connection
_PERMISSIONS = {
    "encrypt": "cloudkms.cryptoKeyVersions.useToEncrypt",
    "decrypt": "cloudkms.cryptoKeyVersions.useToDecrypt",
    "get_crypto_key_version": "cloudkms.cryptoKeyVersions.get",
}
_PROBE = b"kms-core asks for the primary version"


class GcpKek(KekSpec):
    """Wraps with the context as additional authenticated data.

    Which version is primary shows in the reply to Encrypt alone, and Decrypt does not say which one
    unwrapped. So the version is authenticated here: in front of Google's ciphertext stands
    HMAC-SHA256 of it under what was wrapped, which begins with 32 random bytes of core's.
    """

    Config = GcpKekConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_kms_route)

    def __init__(self, config: GcpKekConfig) -> None:
        self._key = config.resource_name
        self._config = config
        open_token = partial(Token, config, _SCOPE, signs=True)
        self._client = GcpClient(open_token, partial(_open, config), _close)
        self._pinned = str(config.key_version) if config.key_version else None

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return self._wrap(dek, context, self._pinned)

    @hookimpl
    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        # By its name: for hours after a rotation, now one answers as primary, now the other.
        return self._wrap(dek, context, kek.kek_version)

    def _wrap(self, dek: bytes, context: Context, version: str | None) -> WrappedDek:
        reply = self._encrypt(version, dek, encode_context(context))
        version = self._version_of(reply)
        ciphertext = _tag(dek, version) + reply.ciphertext
        return WrappedDek(ciphertext, self._key, version, _algorithm(reply.protection_level))

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        version = wrapped.kek_version
        check_kek(wrapped, self._key)
        tag, ciphertext = wrapped.ciphertext[:_TAG_SIZE], wrapped.ciphertext[_TAG_SIZE:]
        if not (ciphertext and _is_version(version)):
            raise UnwrapError
        reply = self._decrypt(ciphertext, encode_context(context), self._name(version))
        if wrapped.algorithm != _algorithm(reply.protection_level):
            raise UnwrapError
        if not hmac.compare_digest(tag, _tag(reply.plaintext, version)):
            raise UnwrapError
        return reply.plaintext

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        if not ciphertext or (kek_version and not _is_version(kek_version)):
            raise UnwrapError
        return self._decrypt(ciphertext, b"", self._name(kek_version)).plaintext

    @hookimpl
    def describe_kek(self) -> KekInfo:
        version = self._pinned or self._version_of(self._encrypt(None, _PROBE, _PROBE))
        name = self._name(version)
        found: CryptoKeyVersion = self._call("get_crypto_key_version", {"name": name}, KEK, name)
        if found.name != name:
            raise _damaged("GetCryptoKeyVersion", "the answer is about another version")
        if found.state != CryptoKeyVersion.CryptoKeyVersionState.ENABLED:
            raise KekDisabledError(f"{name} is {found.state.name}; enable or restore it")
        if found.algorithm.name not in {_INSIDE, _OUTSIDE}:
            raise ConfigError(f"{name} is {found.algorithm.name}; use an ENCRYPT_DECRYPT key")
        return KekInfo(self._key, version, found.algorithm.name)

    @hookimpl
    def check_health(self) -> None:
        self._encrypt(self._pinned, _PROBE, _PROBE)

    @hookimpl
    def find_risks(self) -> list[Risk]:
        if self._pinned is None:
            return []
        problem = f"keyVersion {self._pinned} wraps, also once the key was rotated"
        return [Risk("KEK-PINNED", problem, "leave keyVersion out, unless it is to stay")]

    @hookimpl
    def rotation_command(self) -> str:
        config = self._config
        key = {
            "key": config.key_name,
            "keyring": config.key_ring,
            "location": config.location,
            "project": config.project_id,
        }
        named = (f"--{name}={value}" for name, value in key.items())
        return shlex.join([*["gcloud", "kms", "keys", "versions", "create"], *named, "--primary"])

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _encrypt(self, version: str | None, plaintext: bytes, bound: bytes) -> EncryptResponse:
        name = self._name(version)
        request = EncryptRequest(
            name=name,
            plaintext=plaintext,
            plaintext_crc32c=crc32c(plaintext),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=crc32c(bound),
        )
        try:
            reply: EncryptResponse = self._call("encrypt", request, KEK, name)
        except ConfigError as error:
            if len(plaintext) + len(bound) <= _MAX_HSM_INPUT:
                raise
            raise DekSizeError(
                f"the KEK takes no DEK of this size: an HSM takes {_MAX_HSM_INPUT} bytes with the "
                "context; ask for a smaller DEK, or use a software KEK"
            ) from error
        _check(reply)
        if version not in {None, self._version_of(reply)}:
            raise _damaged("Encrypt", "another version than the one asked for wrapped")
        return reply

    def _decrypt(self, ciphertext: bytes, bound: bytes, name: str) -> DecryptResponse:
        request = DecryptRequest(
            name=self._key,
            ciphertext=ciphertext,
            ciphertext_crc32c=crc32c(ciphertext),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=crc32c(bound),
        )
        reply: DecryptResponse = self._call("decrypt", request, UNWRAP, name)
        if reply.plaintext_crc32c != crc32c(reply.plaintext):
            raise _damaged("Decrypt", "the CRC32C of the plaintext differs")
        return reply

    def _call(self, method: str, request: Any, table: ErrorTable, name: str) -> Any:
        client = self._client.get()
        try:
            with muted(), translate_errors(table, _PERMISSIONS[method], name):
                # Or gRPC would ask for the token itself, in a new thread at each call.
                metadata = [*self._client.headers().items()]
                arguments = kms_arguments(self._config)
                return getattr(client, method)(request, metadata=metadata, **arguments)
        except UnavailableError:
            # gRPC would keep a connection that hangs, and connect again after minutes.
            self._client.replace(client)
            raise

    def _name(self, version: str | None) -> str:
        return f"{self._key}/cryptoKeyVersions/{version}" if version else self._key

    def _version_of(self, reply: EncryptResponse) -> str:
        key, _, version = reply.name.partition("/cryptoKeyVersions/")
        if key != self._key or not _is_version(version):
            raise _damaged("Encrypt", "the answer is about another KEK")
        return version


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _tag(dek: bytes, version: str) -> bytes:
    return hmac.digest(dek, version.encode(), "sha256")


def _check(reply: EncryptResponse) -> None:
    if not reply.verified_plaintext_crc32c:
        raise _damaged("Encrypt", "the service did not verify the CRC32C of the plaintext")
    if not reply.verified_additional_authenticated_data_crc32c:
        raise _damaged("Encrypt", "the service did not verify the CRC32C of the context")
    if reply.ciphertext_crc32c != crc32c(reply.ciphertext):
        raise _damaged("Encrypt", "the CRC32C of the ciphertext differs")


def _damaged(call: str, problem: str) -> UnavailableError:
    return UnavailableError(f"{call}: {problem}; try again, and check endpoint if it persists")


def _algorithm(level: ProtectionLevel) -> str:
    return _OUTSIDE if level in _EXTERNAL else _INSIDE


def _open(config: GcpKekConfig, _token: Token) -> KeyManagementServiceClient:
    public = f"cloudkms.{config.universe_domain}"
    host = urlsplit(config.endpoint).netloc if config.endpoint else public
    with muted(), translate_errors(KEK, "a client of Cloud KMS", config.resource_name):
        if config.is_plain:
            channel = grpc.insecure_channel(host, [_OWN, ("grpc.enable_http_proxy", 0)])
        else:
            channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(), [_OWN])
        transport = KeyManagementServiceGrpcTransport(host=host, channel=channel)
        return KeyManagementServiceClient(transport=transport)


def _close(client: KeyManagementServiceClient) -> None:
    client.transport.close()  # type: ignore[no-untyped-call] # the SDK lacks types
