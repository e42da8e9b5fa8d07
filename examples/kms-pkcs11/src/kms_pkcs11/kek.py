"""``kms://pkcs11``: a KEK that never leaves its PKCS #11 token.

The token wraps with CKM_AES_GCM (PKCS #11 version 2.40, mechanisms, section 2.12), and the context
is the additional authenticated data. The IV is 96 bits of the token's random number generator, so
one version should wrap no more than 2**32 DEKs (NIST SP 800-38D, sections 8.2.2 and 8.3).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from kms_core import KekDisabledError, KekInfo, KekNotFoundError, UnwrapError
from kms_core.backend import Context, KekSpec, WrappedDek, check_kek, encode_context, hookimpl
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass
from pkcs11.types import DecryptMixin, EncryptMixin, Session

from kms_pkcs11.client import Token
from kms_pkcs11.config import Pkcs11KekConfig
from kms_pkcs11.errors import authenticated

_ALGORITHM = "CKM_AES_GCM"
_IV_SIZE, _TAG_SIZE, _KEY_SIZE = 12, 16, 32


class Pkcs11Kek(KekSpec):
    """Keys of one label are the versions of the KEK; the greatest CKA_ID is the newest."""

    Config = Pkcs11KekConfig

    def __init__(self, config: Pkcs11KekConfig) -> None:
        self._key = config.key
        self._token = Token(config)
        token, key = (quote(label, safe="") for label in (config.token, config.key))
        self._kek_id = f"pkcs11:token={token};object={key};type=secret-key"  # RFC 7512

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        with self._token.session() as session:
            version, key = self._newest(session)
            iv = session.generate_random(_IV_SIZE * 8)
            sealed = key.encrypt(dek, **_gcm(iv, context))
        return WrappedDek(iv + sealed, self._kek_id, version, _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        iv, sealed = wrapped.ciphertext[:_IV_SIZE], wrapped.ciphertext[_IV_SIZE:]
        check_kek(wrapped, self._kek_id, _ALGORITHM)
        if len(sealed) <= _TAG_SIZE:
            raise UnwrapError
        with self._token.session() as session:
            versions = self._versions(session)
            check_kek(wrapped, self._kek_id, versions=versions)
            key = self._enabled(wrapped.kek_version, versions, DecryptMixin)
            with authenticated():
                dek: bytes = key.decrypt(sealed, **_gcm(iv, context))
                return dek

    @hookimpl
    def describe_kek(self) -> KekInfo:
        with self._token.session() as session:
            version, _ = self._newest(session)
        return KekInfo(self._kek_id, version, _ALGORITHM)

    @hookimpl
    def close(self) -> None:
        self._token.close()

    def _newest(self, session: Session) -> tuple[str, Any]:
        versions = self._versions(session)
        newest = max(versions, key=lambda version: int(version or "0", 16))
        return newest, self._enabled(newest, versions, EncryptMixin, DecryptMixin)

    def _versions(self, session: Session) -> dict[str, Any]:
        """The keys by CKA_ID in hex. python-pkcs11 makes a class for what each key may do."""
        template = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.VALUE_LEN: _KEY_SIZE,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.LABEL: self._key,
        }
        found = list(session.get_objects(template))
        versions = {key[Attribute.ID].hex(): key for key in found}
        if not found:
            raise KekNotFoundError(
                f"there is no {self._kek_id} that is an AES key of 256 bits, sensitive and not "
                "extractable; correct key, or generate one"
            )
        if len(versions) < len(found):
            raise KekNotFoundError(
                f"there are two {self._kek_id} with one CKA_ID; give each version its own"
            )
        return versions

    def _enabled(self, version: str, versions: dict[str, Any], *uses: type) -> Any:
        key = versions[version]
        if not all(isinstance(key, use) for use in uses):
            raise KekDisabledError(
                f"{self._kek_id} with CKA_ID {version or 'of no bytes'} is disabled; "
                "set its CKA_DECRYPT, and if it is the newest, CKA_ENCRYPT too"
            )
        return key


def _gcm(iv: bytes, context: Context) -> dict[str, Any]:
    parameters = GCMParams(iv, encode_context(context), _TAG_SIZE * 8)
    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": parameters}
