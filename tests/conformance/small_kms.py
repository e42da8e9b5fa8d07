"""A correct KEK and a correct deriver, as small as can be. The broken ones derive from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from kms_core import (
    AccessDeniedError,
    DekIdError,
    KekDisabledError,
    KekInfo,
    KekNotFoundError,
    KmsError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import (
    Context,
    DeriverSpec,
    KekSpec,
    Risk,
    ServiceConfig,
    WrappedDek,
    check_dek_size,
    check_kek,
    encode_context,
    hookimpl,
)

ALGORITHM = "AES-256-GCM"


class Service:
    """What clients reach, with a credential, until it is closed."""

    def __init__(self) -> None:
        self.credential = "credential-" + os.urandom(8).hex()
        self.closed = False
        self.forbidden = False
        self.session = 1
        """Which logins it takes."""

        self.address: tuple[str, int] | None = None
        """Where an echo has to answer before anything is done, for checks of the wire."""
        self.is_proven = True
        """Whether it is trusted at this address; else TLS has to prove it."""
        self.time_limit: Callable[[], float] = lambda: 60


class SmallBackend:
    """What the small backends share."""

    Config: Any = ServiceConfig
    breaks: tuple[str, ...] = ()

    def __init__(self, service: Service) -> None:
        self.service = service
        self.session = service.session

    def reach(self) -> None:
        if self.service.closed:
            raise self.error(UnavailableError("the service is closed"))
        if self.service.forbidden:
            raise self.error(AccessDeniedError("the credential may not do this"))
        if self.session != self.service.session:
            self.log_in()
        if self.service.address:
            self.ask("anybody-there")

    def log_in(self) -> None:
        self.session = self.service.session

    def ask(self, text: str) -> str:
        """What the echo says to it."""
        try:
            return self.get(text)
        except (OSError, HTTPException) as error:
            raise self.unanswered(error) from None

    def unanswered(self, error: Exception) -> Exception:
        return self.error(UnavailableError(f"no answer: {type(error).__name__}"))

    def get(self, text: str) -> str:
        assert self.service.address
        with closing(self.connect(*self.service.address, self.time_limit)) as connection:
            connection.request("GET", f"/{text}")
            response = connection.getresponse()
            self.check_status(response.status)
            answer = response.read().decode()
        self.check_answer(text, answer)
        return answer

    def connect(self, host: str, port: int, limit: float) -> HTTPConnection:
        if self.service.is_proven:
            return HTTPConnection(host, port, timeout=limit)
        return HTTPSConnection(host, port, timeout=limit)

    @property
    def time_limit(self) -> float:
        return self.service.time_limit()

    def check_status(self, status: int) -> None:
        if status != 200:
            raise self.error(UnavailableError(f"the service answered {status}"))

    def check_answer(self, text: str, answer: str) -> None:
        if answer != text:
            raise self.error(UnavailableError("the service answered something else"))

    def error(self, error: KmsError) -> KmsError:
        """Every error that a small backend raises passes here."""
        return error

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""


class SmallKms(Service):
    """KEKs by name, each a list of versions."""

    def __init__(self) -> None:
        super().__init__()
        self.keks = {name: [os.urandom(32)] for name in ("one", "two")}
        self.disabled = False
        self.destroyed: set[str] = set()

    def wrap_foreign(self, key: bytes) -> tuple[bytes, str]:
        """Wrap as another program does, under the KEK ``one``."""
        nonce, versions = os.urandom(12), self.keks["one"]
        return nonce + AESGCM(versions[-1]).encrypt(nonce, key, None), str(len(versions))


class SmallKek(SmallBackend, KekSpec):
    service: SmallKms

    def __init__(self, service: SmallKms, name: str) -> None:
        super().__init__(service)
        self.name = name

    @property
    def kek_id(self) -> str:
        return f"keks/{self.name}"

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        info, nonce = self._describe(), self.nonce(context)
        sealed = self.cipher(info.kek_version).encrypt(nonce, dek, self.aad(context))
        return WrappedDek(nonce + sealed, info.kek_id, info.kek_version, info.algorithm)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        self.reach()
        self.check_enabled()
        self.refuse_other(wrapped)
        self.refuse_destroyed(wrapped)
        if self.is_mine(wrapped):
            nonce, sealed = wrapped.ciphertext[:12], wrapped.ciphertext[12:]
            with suppress(InvalidTag, ValueError):
                return self.cipher(wrapped.kek_version).decrypt(nonce, sealed, self.aad(context))
        raise self.error(UnwrapError())

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return self._describe()

    @hookimpl
    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        self.reach()
        nonce = self.nonce(context)
        sealed = self.cipher(kek.kek_version).encrypt(nonce, dek, self.aad(context))
        return WrappedDek(nonce + sealed, kek.kek_id, kek.kek_version, kek.algorithm)

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        dek = SmallKek.unwrap_dek(self, wrapped, context)
        if wrapped.kek_version == self._describe().kek_version:
            return wrapped
        return SmallKek.wrap_dek(self, dek, context)

    @hookimpl
    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        SmallKek.unwrap_dek(self, wrapped, context)
        return f"material {wrapped.kek_version}"

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        self._describe()
        self.service.keks[self.name].append(os.urandom(32))
        return self._describe()

    @hookimpl
    def rotation_command(self) -> str:
        self._describe()
        return f"small rotate {self.name}"

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        self.reach()
        self.check_enabled()
        cipher = self.cipher(kek_version or self._describe().kek_version)
        try:
            return cipher.decrypt(ciphertext[:12], ciphertext[12:], None)
        except InvalidTag:
            raise self.error(UnwrapError()) from None

    @hookimpl
    def check_health(self) -> None:
        self._describe()

    @hookimpl
    def find_risks(self) -> list[Risk]:
        self._describe()
        return [Risk("KEK-SMALL", "it is small", "use a real one")]

    def _describe(self) -> KekInfo:
        self.reach()
        self.check_enabled()
        if self.name not in self.service.keks:
            raise self.error(KekNotFoundError("there is no such KEK"))
        version = str(len(self.service.keks[self.name]))
        return KekInfo(self.kek_id, version, ALGORITHM, f"material {version}")

    def check_enabled(self) -> None:
        if self.service.disabled:
            raise self.error(KekDisabledError("it is disabled"))

    def nonce(self, context: Context) -> bytes:
        return os.urandom(12)

    def aad(self, context: Context) -> bytes:
        return encode_context(context)

    def refuse_other(self, wrapped: WrappedDek) -> None:
        try:
            check_kek(wrapped, self.kek_id)
        except KekNotFoundError as error:
            raise self.error(self.refusal(error)) from None

    def refuse_destroyed(self, wrapped: WrappedDek) -> None:
        if wrapped.kek_version in self.service.destroyed:
            raise self.error(KekNotFoundError("there is no such version"))

    def refusal(self, error: KmsError) -> KmsError:
        return error

    def is_mine(self, wrapped: WrappedDek) -> bool:
        versions = map(str, range(1, len(self.service.keks[self.name]) + 1))
        named = (wrapped.kek_id, wrapped.algorithm) == (self.kek_id, ALGORITHM)
        return named and wrapped.kek_version in versions

    def cipher(self, version: str) -> AESGCM:
        return AESGCM(self.service.keks[self.name][int(version) - 1])


class SmallDeriver(SmallBackend, DeriverSpec):
    def __init__(self, service: Service, secret: bytes) -> None:
        super().__init__(service)
        self.secret = secret

    @hookimpl
    def derive_dek(self, dek_id: str, size: int) -> bytes:
        self.check(dek_id, size)
        return self.expand(dek_id, size)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("small", "", "HKDF-SHA256")

    def check(self, dek_id: str, size: int) -> None:
        self.reach()
        if not dek_id:
            raise self.error(DekIdError("it is empty"))
        try:
            check_dek_size(size)
        except KmsError as error:
            raise self.error(error) from None

    def expand(self, dek_id: str, size: int) -> bytes:
        return HKDFExpand(SHA256(), size, dek_id.encode()).derive(self.secret)
