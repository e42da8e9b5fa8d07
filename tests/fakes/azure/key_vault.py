"""Our own Key Vault and managed HSM for tests, as no other can be installed. It shares no code with
kms-azure, and its cryptography is that of `cryptography`.

It answers as the REST reference of Key Vault (api-version 2025-07-01) says: the 401 challenge, keys
with versions, wrapKey and unwrapKey, permissions, disabled and expired keys.
"""

from __future__ import annotations

import json
import os
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from tests.fakes.proxy import Exchange, Proxy, Reply, run_proxy

ALL = frozenset({"get", "wrapKey", "unwrapKey"})
_OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
_OPERATIONS = {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}
_PATH = re.compile(r"/keys/(?P<name>[\w-]+)/(?P<version>[0-9a-zA-Z]*)(?:/(?P<operation>\w+))?")


_KEY_PAIRS = 16  # more than one test has; it would spend its time on new ones
_made = count()


@cache
def _key_pair(size: int, _: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, size)


class Refusal(Exception):  # noqa: N818 -- it is an answer
    """An error of the service."""

    def __init__(self, status: int, code: str, inner: str | None = None) -> None:
        super().__init__(status, code)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": "from our Key Vault"}
        if inner:
            self.error["innererror"] = {"code": inner}


@dataclass
class Version:
    """One version of a key."""

    kty: str
    size: int = 2048
    enabled: bool = True
    exp: float | None = None
    nbf: float | None = None
    ops: tuple[str, ...] = ("wrapKey", "unwrapKey")
    name: str = field(default_factory=lambda: os.urandom(16).hex())

    def __post_init__(self) -> None:
        self.rsa = _key_pair(self.size, next(_made) % _KEY_PAIRS) if "RSA" in self.kty else None
        self.aes = os.urandom(32)

    def wrap(self, algorithm: str, value: bytes) -> bytes:
        self._check(algorithm)
        return (
            self.rsa.public_key().encrypt(value, _OAEP)
            if self.rsa
            else aes_key_wrap(self.aes, value)
        )

    def unwrap(self, algorithm: str, value: bytes) -> bytes:
        self._check(algorithm)
        try:
            return self.rsa.decrypt(value, _OAEP) if self.rsa else aes_key_unwrap(self.aes, value)
        except (ValueError, InvalidUnwrap):
            raise Refusal(400, "BadParameter") from None

    @property
    def algorithm(self) -> str:
        return "RSA-OAEP-256" if self.rsa else "A256KW"

    def _check(self, algorithm: str) -> None:
        if algorithm != self.algorithm:
            raise Refusal(400, "BadParameter")


@dataclass(kw_only=True)
class KeyVault(Proxy):
    """A vault with its keys. Tests change its attributes as an admin would."""

    host: str
    audience: str
    authority: str
    keys: dict[str, list[Version]] = field(default_factory=dict)
    permissions: dict[str, frozenset[str]] = field(default_factory=dict)
    extra_byte: bool = False
    """Return 33 bytes for 32, as a managed HSM has been seen to do."""

    def make_key(self, kty: str, **more: Any) -> str:
        name = f"key-{os.urandom(6).hex()}"
        self.keys[name] = [Version(kty, **more)]
        return name

    def rotate(self, name: str) -> None:
        self.keys[name].append(Version(self.keys[name][0].kty))

    def answer(self, method: str, url: str, token: str, body: bytes) -> dict[str, Any]:
        client = self._check_token(token)
        parts = urlsplit(url)
        path = _PATH.fullmatch(parts.path)
        if path is None or parse_qs(parts.query) != {"api-version": ["2025-07-01"]}:
            raise Refusal(400, "BadParameter")
        operation = "get" if method == "GET" else _OPERATIONS.get(path["operation"], "?")
        if operation not in self.permissions.get(client, ALL):
            raise Refusal(403, "Forbidden", "ForbiddenByRbac")
        version = self._find(path["name"], path["version"])
        kid = f"https://{self.host}/keys/{path['name']}/{version.name}"
        if operation == "get":
            return self._bundle(version, kid)
        self._check_use(version, operation)
        return {"kid": kid, "value": self._convert(version, operation, json.loads(body))}

    def _check_token(self, token: str) -> str:
        try:
            payload = token.removeprefix("Bearer ").split(".")[1]
            claims = json.loads(urlsafe_b64decode(payload + "=="))
        except (IndexError, ValueError):
            raise Refusal(401, "Unauthorized") from None
        if claims["aud"] != self.audience or claims["exp"] <= time.time():
            raise Refusal(401, "Unauthorized")
        client: str = claims["appid"]
        return client

    def _find(self, name: str, version: str) -> Version:
        versions = self.keys.get(name.lower(), [])  # Azure's names are without case
        for known in reversed(versions):
            if version in {"", known.name}:
                return known
        raise Refusal(404, "KeyNotFound")

    def _bundle(self, version: Version, kid: str) -> dict[str, Any]:
        times = {"exp": version.exp, "nbf": version.nbf}
        attributes = {name: value for name, value in times.items() if value is not None}
        key: dict[str, Any] = {"kid": kid, "kty": version.kty, "key_ops": list(version.ops)}
        if version.rsa:
            numbers = version.rsa.public_key().public_numbers()
            key |= {"n": _b64(numbers.n.to_bytes(version.size // 8)), "e": "AQAB"}
        return {"key": key, "attributes": {"enabled": version.enabled, **attributes}}

    def _check_use(self, version: Version, operation: str) -> None:
        now, wraps = time.time(), operation == "wrapKey"
        if not version.enabled and not wraps:  # seen in 2026-02: azure-sdk-for-python#45342
            raise Refusal(403, "Forbidden", "KeyDisabled")
        if wraps and version.exp is not None and now >= version.exp:  # still unwraps
            raise Refusal(403, "Forbidden", "KeyExpired")
        if wraps and version.nbf is not None and now < version.nbf:
            raise Refusal(403, "Forbidden", "KeyNotYetValid")
        if operation not in version.ops:
            raise Refusal(403, "Forbidden", "KeyOperationForbidden")

    def _convert(self, version: Version, operation: str, body: dict[str, str]) -> str:
        value = urlsafe_b64decode(body["value"] + "==")
        if operation == "wrapKey":
            return _b64(version.wrap(body["alg"], value))
        return _b64(version.unwrap(body["alg"], value) + b"\0" * self.extra_byte)


class _Call(Exchange):
    def ask(self) -> Reply:
        vault = self.proxy
        assert isinstance(vault, KeyVault)
        headers, status = [("Content-Type", "application/json; charset=utf-8")], 200
        try:
            token = self.headers.get("Authorization", "")
            reply = vault.answer(self.command, self.path, token, self.body)
        except Refusal as refusal:
            status, reply = refusal.status, {"error": refusal.error}
            if status == 401:
                challenge = f'Bearer authorization="{vault.authority}", resource="{vault.audience}"'
                headers.append(("WWW-Authenticate", challenge))
        return Reply(status, json.dumps(reply).encode(), headers)


@contextmanager
def serve_vault(vault: KeyVault) -> Iterator[KeyVault]:
    """The vault on a free port of the loopback interface."""
    with run_proxy(vault, _Call):
        yield vault


def _b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
