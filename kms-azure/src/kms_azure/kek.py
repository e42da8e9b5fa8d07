"""``kms://azure``: a KEK in Key Vault or a managed HSM.

Uses keys/get, keys/wrapKey and keys/unwrapKey, each of a full key identifier with its version.
Azure's wrap takes no additional authenticated data, so core's sealing layer binds the DEK to its
context, and Azure wraps the fresh key of that layer. Whoever has the public half of an RSA key can
wrap as Azure does: an authentication key keeps such records from opening.
"""

from __future__ import annotations

import logging
import re
import shlex
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys._shared import HttpChallengeCache

from kms_azure.client import Credential, service_options
from kms_azure.config import AzureKekConfig
from kms_azure.errors import call_table, strange_reply
from kms_azure.permissions import HOOKS, write_policy
from kms_azure.risks import find_key_risks
from kms_azure.route import find_route
from kms_core import (
    AccessDeniedError,
    ConfigError,
    KekDisabledError,
    KekInfo,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import (
    SEALING_KEY_SIZE,
    Context,
    KekSpec,
    Meaning,
    Risk,
    Sealer,
    WrappedDek,
    check_kek,
    hookimpl,
    parse_json,
    read_part,
    translate_errors,
    unseal_dek,
)

_log = logging.getLogger(__name__)
_RSA = "RSA-OAEP-256"
_ALGORITHMS = {"RSA": _RSA, "RSA-HSM": _RSA, "oct-HSM": "A256KW"}
_WRAPPED_SIZES = {
    _RSA: {256, 384, 512},  # of the modulus (RFC 8017, section 7.1.1)
    "A256KW": {SEALING_KEY_SIZE + 8},  # RFC 3394, section 2.2.1
}
_VERSION = re.compile(r"[0-9a-f]{32}")
_SIZE_FIELD = 2
_NEEDED = {"wrapKey", "unwrapKey"}
_UNWRAP = "keys/unwrapKey"


class AzureKek(KekSpec):
    """Has the service do every wrap.

    The SDK's CryptographyClient wraps by itself where it can, and for an AES key of a managed HSM
    also where it cannot: with a random key that nobody else has. So its REST pipeline is used, and
    nothing of its cryptography.
    """

    Config = AzureKekConfig
    permissions = HOOKS
    write_policy = staticmethod(write_policy)
    find_route = staticmethod(find_route)

    def __init__(self, config: AzureKekConfig) -> None:
        self._config = config
        self._kek_id = config.kek_id
        place = "Managed HSM" if config.is_hsm else "Key Vault"
        role = (
            f"{place} Crypto Service Encryption User on the {'HSM' if config.is_hsm else 'vault'}"
        )
        self._errors = call_table(role, "vaultName, vaultType or endpoint")
        # For Azure, what cannot be unwrapped is a bad parameter.
        self._unwrap_errors = self._errors.but({"BadParameter": Meaning(UnwrapError)})
        self._credential = Credential(config, f"https://{config.vault_type}/.default")
        url = config.endpoint or config.vault_url
        # Or who answers once in place of the vault says for good whose tokens are asked for: the
        # SDK keeps that for all clients of the process. There is no other way.
        HttpChallengeCache.remove_challenge_for_url(url)
        with translate_errors(self._errors, "open a client", self._kek_id):
            self._client = KeyClient(
                url,
                self._credential,
                verify_challenge_resource=False,  # Credential does not listen to it at all
                **service_options(config),
            )
        self._sealer = Sealer(config.auth_key, self._unwrap_auth_key)
        self._may_warn = config.auth_key is None
        if not config.is_hsm:  # which has no other keys
            self._warn_of(_RSA)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return self._wrap(dek, context, self._describe())

    @hookimpl
    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        return self._wrap(dek, context, kek)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        check_kek(wrapped, self._kek_id)
        algorithm = self._sealer.check_mark(wrapped.algorithm)
        self._warn_of(algorithm)
        return self._sealer.unseal(*self._open(wrapped, algorithm), context)

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        if not kek_version:
            kek_version = self._describe().kek_version
        fitting = (name for name, sizes in _WRAPPED_SIZES.items() if len(ciphertext) in sizes)
        algorithm = next(fitting, None)
        if algorithm is None or not _VERSION.fullmatch(kek_version):
            raise UnwrapError
        return self._convert("unwrapKey", kek_version, algorithm, ciphertext)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return self._describe()

    @hookimpl
    def find_risks(self) -> list[Risk]:
        kek, attributes = self._get_key(self._config.key_version or "")
        return [*find_key_risks(self._config, kek, _moment(attributes, "exp", float("inf")))]

    @hookimpl
    def rotation_command(self) -> str:
        place = "--hsm-name" if self._config.is_hsm else "--vault-name"
        words = [place, self._config.vault_name, "--name", self._config.key_name]
        return shlex.join(["az", "keyvault", "key", "rotate", *words])

    @hookimpl
    def close(self) -> None:
        self._client.close()
        self._credential.close()

    def _describe(self) -> KekInfo:
        kek = self._read_key(self._config.key_version or "")
        return replace(kek, algorithm=self._sealer.mark(kek.algorithm))

    def _wrap(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        algorithm = self._sealer.check_mark(kek.algorithm)
        self._warn_of(algorithm)
        key, sealed = self._sealer.seal(dek, context)
        wrapped = self._convert("wrapKey", kek.kek_version, algorithm, key)
        _expect_size("a wrapped key", wrapped, _WRAPPED_SIZES[algorithm])
        ciphertext = len(wrapped).to_bytes(_SIZE_FIELD) + wrapped + sealed
        return WrappedDek(ciphertext, self._kek_id, kek.kek_version, kek.algorithm)

    def _unwrap_auth_key(self, wrapped: WrappedDek, context: Context) -> bytes:
        check_kek(wrapped, self._kek_id)
        return unseal_dek(*self._open(wrapped, wrapped.algorithm), context)

    def _open(self, wrapped: WrappedDek, algorithm: str) -> tuple[bytes, bytes]:
        """The fresh key, unwrapped by the service, and what it seals."""
        start = _SIZE_FIELD + int.from_bytes(wrapped.ciphertext[:_SIZE_FIELD])
        wrapped_key, sealed = wrapped.ciphertext[_SIZE_FIELD:start], wrapped.ciphertext[start:]
        if not _VERSION.fullmatch(wrapped.kek_version):
            raise UnwrapError
        if len(wrapped_key) not in _WRAPPED_SIZES.get(algorithm, ()):
            raise UnwrapError
        return self._unwrap(wrapped.kek_version, algorithm, wrapped_key), sealed

    def _warn_of(self, algorithm: str) -> None:
        """Say once that records prove nothing of who made them."""
        if self._may_warn and algorithm == _RSA:
            self._may_warn = False
            _log.warning(
                "whoever has the public half of %s can make records that open; set authKey, which "
                "`kms auth-key` makes, or use an AES key of a managed HSM",
                self._kek_id,
            )

    def _unwrap(self, version: str, algorithm: str, wrapped_key: bytes) -> bytes:
        try:
            key = self._convert("unwrapKey", version, algorithm, wrapped_key)
        except AccessDeniedError:
            with suppress(AccessDeniedError):
                self._read_key(version)  # raises if the KEK is disabled: then that is the reason
            raise
        # A managed HSM has been seen to return 33 bytes.
        _expect_size("an unwrapped key", key, {SEALING_KEY_SIZE})
        return key

    def _read_key(self, version: str) -> KekInfo:
        """Read this version of the key, or the newest, and check that it can wrap now."""
        return self._get_key(version)[0]

    def _get_key(self, version: str) -> tuple[KekInfo, dict[str, Any]]:
        reply = self._send("keys/get", version, HttpRequest("GET", self._path(version)))
        key, attributes = read_part(reply, "key", dict), read_part(reply, "attributes", dict)
        kind, version = read_part(key, "kty", str), self._check_kid(read_part(key, "kid", str))
        algorithm, operations = _ALGORITHMS.get(kind), key.get("key_ops", _NEEDED)
        if algorithm is None or not {*operations} >= _NEEDED:
            raise ConfigError(
                f"{self._kek_id} is of type {kind} with operations {operations}; use an "
                "RSA key, or an AES key of a managed HSM, that permits wrapKey and unwrapKey"
            )
        self._check_state(version, attributes)
        return KekInfo(self._kek_id, version, algorithm), attributes

    def _check_kid(self, kid: str) -> str:
        """The version that the full key identifier names; it must be one of our key."""
        version = kid.rpartition("/")[2]
        path = urlsplit(kid).path
        if path.lower() != self._path(version).lower() or not _VERSION.fullmatch(version):
            raise strange_reply("is about another key")
        return version

    def _check_state(self, version: str, attributes: dict[str, Any]) -> None:
        now = time.time()
        if not read_part(attributes, "enabled", bool):
            problem = "is disabled; enable it"
        elif now >= _moment(attributes, "exp", float("inf")):
            problem = "has expired; rotate the KEK, or set a later expiry date"
        elif now < _moment(attributes, "nbf", 0):
            problem = "is not valid yet; wait, or set an earlier activation date"
        else:
            return
        raise KekDisabledError(f"{self._kek_id}/{version} {problem}")

    def _convert(
        self, operation: Literal["wrapKey", "unwrapKey"], version: str, algorithm: str, value: bytes
    ) -> bytes:
        body = {"alg": algorithm, "value": urlsafe_b64encode(value).rstrip(b"=").decode()}
        path = f"{self._path(version)}/{operation.lower()}"
        reply = self._send(f"keys/{operation}", version, HttpRequest("POST", path, json=body))
        if self._check_kid(read_part(reply, "kid", str)) != version:
            raise strange_reply("is about another version")
        return _decode(read_part(reply, "value", str))

    def _send(self, permission: str, version: str, request: HttpRequest) -> Any:
        errors = self._unwrap_errors if permission == _UNWRAP else self._errors
        called = f"{self._kek_id}/{version}" if version else self._kek_id
        with translate_errors(errors, permission, called):
            # Wrapping twice changes nothing, so a POST is as safe to try again as a GET.
            response = self._client.send_request(request, retry_on_methods=("GET", "POST"))
            response.raise_for_status()
            body = response.content
        return parse_json(body)

    def _path(self, version: str) -> str:
        return f"/keys/{self._config.key_name}/{version}"


def _moment(attributes: dict[str, Any], name: str, default: float) -> float:
    """A time in seconds since 1970 (UTC), or the default if the key has none."""
    moment = attributes.get(name, default)
    if not isinstance(moment, (int, float)):
        raise strange_reply(f"has no {name} that is a number")
    return moment


def _decode(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "==")
    except ValueError:
        raise strange_reply("is not base64url") from None


def _expect_size(what: str, value: bytes, sizes: set[int]) -> None:
    if len(value) not in sizes:
        raise UnavailableError(
            f"the service returned {what} of {len(value)} bytes instead of "
            f"{' or '.join(map(str, sorted(sizes)))}; try again, or report it to Azure"
        )
