"""``kms://gcp``: a KEK in Google Cloud KMS.

Calls Encrypt, Decrypt and GetCryptoKeyVersion, and nothing else. CRC32C of all that is sent and
received is checked at both ends, as Google's data integrity guidelines say.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceGrpcTransport,
)
from google.cloud.kms_v1.types import (
    CryptoKeyVersion,
    DecryptRequest,
    EncryptRequest,
    EncryptResponse,
    ProtectionLevel,
)
from google_crc32c import value as crc32c
from grpc import insecure_channel

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
    KekSpec,
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

_SCOPE = "https://www.googleapis.com/auth/cloudkms"
_INSIDE, _OUTSIDE = "GOOGLE_SYMMETRIC_ENCRYPTION", "EXTERNAL_SYMMETRIC_ENCRYPTION"
_EXTERNAL = {ProtectionLevel.EXTERNAL, ProtectionLevel.EXTERNAL_VPC}
_MAX_HSM_INPUT = 8192
_FIRST_VERSION = "1"
_PROBE = b"kms-core asks for the primary version"


class GcpKek(KekSpec):
    """Wraps with the context, and the version that wraps, as additional authenticated data.

    Decrypt does not say which version unwrapped, so a version that is only written in the record
    could be altered there. Which version is primary shows in the reply to Encrypt alone: a wrap
    expects the primary version that was seen last, and wraps once more if it is another by now.
    """

    Config = GcpKekConfig

    def __init__(self, config: GcpKekConfig) -> None:
        self._key = config.resource_name
        self._config = config
        open_token = partial(Token, config, _SCOPE, signs=True)
        self._client = GcpClient(open_token, partial(_open, config), _close)
        self._pinned = str(config.key_version) if config.key_version else None
        self._version = self._pinned or _FIRST_VERSION

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        expected = self._version
        reply = self._encrypt(self._pinned, dek, _bind(context, expected))
        version = self._version_of(reply)
        if version != expected:
            # By its name: for hours after a rotation, now one answers as primary, now the other.
            reply = self._encrypt(version, dek, _bind(context, version))
        self._version = version
        return WrappedDek(reply.ciphertext, self._key, version, _algorithm(reply.protection_level))

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        version = wrapped.kek_version
        check_kek(wrapped, self._key)
        if not (wrapped.ciphertext and version.isascii() and version.isdigit()):
            raise UnwrapError
        bound = _bind(context, version)
        request = DecryptRequest(
            name=self._key,
            ciphertext=wrapped.ciphertext,
            ciphertext_crc32c=crc32c(wrapped.ciphertext),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=crc32c(bound),
        )
        client, name = self._client.get(), self._name(version)
        with muted(), translate_errors(UNWRAP, "cloudkms.cryptoKeyVersions.useToDecrypt", name):
            reply = client.decrypt(request, **kms_arguments(self._config))
        if reply.plaintext_crc32c != crc32c(reply.plaintext):
            raise _damaged("Decrypt", "the CRC32C of the plaintext differs")
        if wrapped.algorithm != _algorithm(reply.protection_level):
            raise UnwrapError
        if reply.used_primary and not self._pinned:
            self._version = version
        return reply.plaintext

    @hookimpl
    def describe_kek(self) -> KekInfo:
        version = self._pinned or self._version_of(self._encrypt(None, _PROBE, _PROBE))
        client, name = self._client.get(), self._name(version)
        with muted(), translate_errors(KEK, "cloudkms.cryptoKeyVersions.get", name):
            found = client.get_crypto_key_version({"name": name}, **kms_arguments(self._config))
        if found.name != name:
            raise _damaged("GetCryptoKeyVersion", "the answer is about another version")
        if found.state != CryptoKeyVersion.CryptoKeyVersionState.ENABLED:
            raise KekDisabledError(f"{name} is {found.state.name}; enable or restore it")
        if found.algorithm.name not in {_INSIDE, _OUTSIDE}:
            raise ConfigError(f"{name} is {found.algorithm.name}; use an ENCRYPT_DECRYPT key")
        return KekInfo(self._key, version, found.algorithm.name)

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _encrypt(self, version: str | None, plaintext: bytes, bound: bytes) -> EncryptResponse:
        client, name = self._client.get(), self._name(version)
        request = EncryptRequest(
            name=name,
            plaintext=plaintext,
            plaintext_crc32c=crc32c(plaintext),
            additional_authenticated_data=bound,
            additional_authenticated_data_crc32c=crc32c(bound),
        )
        try:
            with muted(), translate_errors(KEK, "cloudkms.cryptoKeyVersions.useToEncrypt", name):
                reply = client.encrypt(request, **kms_arguments(self._config))
        except ConfigError as error:
            if len(plaintext) + len(bound) <= _MAX_HSM_INPUT:
                raise
            raise DekSizeError(
                f"the KEK takes no DEK of {len(plaintext)} bytes: an HSM takes {_MAX_HSM_INPUT} "
                "bytes with the context; ask for a smaller DEK, or use a software KEK"
            ) from error
        _check(reply)
        if version not in {None, self._version_of(reply)}:
            raise _damaged("Encrypt", "another version than the one asked for wrapped")
        return reply

    def _name(self, version: str | None) -> str:
        return f"{self._key}/cryptoKeyVersions/{version}" if version else self._key

    def _version_of(self, reply: EncryptResponse) -> str:
        key, _, version = reply.name.partition("/cryptoKeyVersions/")
        if key != self._key or not (version.isascii() and version.isdigit()):
            raise _damaged("Encrypt", "the answer is about another KEK")
        return version


def _bind(context: Context, version: str) -> bytes:
    """The context's canonical bytes end in a brace, so what stands behind it is the version."""
    return encode_context(context) + version.encode()


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


def _open(config: GcpKekConfig, token: Token) -> KeyManagementServiceClient:
    universe = config.universe_domain
    host = urlsplit(config.endpoint).netloc if config.endpoint else f"cloudkms.{universe}"
    with muted(), translate_errors(KEK, "a client of Cloud KMS", config.resource_name):
        if config.is_plain:
            channel = insecure_channel(host, [("grpc.enable_http_proxy", 0)])
            transport = KeyManagementServiceGrpcTransport(host=host, channel=channel)
            return KeyManagementServiceClient(transport=transport)
        options = {"api_endpoint": host, "universe_domain": universe}
        return KeyManagementServiceClient(credentials=token, client_options=options)


def _close(client: KeyManagementServiceClient) -> None:
    client.transport.close()  # type: ignore[no-untyped-call] # the SDK lacks types
