"""Authenticates what a KEK seals of which others may have the public half.

An RSA key wraps for everybody who has its public half. So a record proves nothing of who made it,
unless something goes into its sealing that only those have who may unwrap: a random authentication
key, wrapped once by the KEK and pinned in the configuration as ``authKey``.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from kms_core._blob import blob_context, decode_blob
from kms_core._commitment import Unwrap, unwrap_committed
from kms_core._values import Context, WrappedDek
from kms_core.backend.sealing import AUTH_KEY_SIZE, seal_dek, unseal_dek
from kms_core.backend.secret import SecretBytes
from kms_core.errors import BlobError, ConfigError, KekNotFoundError, KmsError, UnwrapError

AUTH_KEY_CONTEXT: Context = {"purpose": "kms-core authentication key"}
"""What an authentication key is wrapped under, as a blob."""

_MARK = "+authKey"


def make_auth_key(wrap: Callable[[bytes, Context], bytes]) -> str:
    """Make an authentication key.

    Args:
        wrap: makes a blob of data and a context, as ``Kek.wrap`` does.

    Returns:
        What a configuration has as ``authKey``: the blob, in base64url without padding. It is not
        secret.
    """
    return _encode(wrap(secrets.token_bytes(AUTH_KEY_SIZE), AUTH_KEY_CONTEXT))


class AuthKey(SecretBytes):
    """The type of a parameter ``authKey``, whose text ``kms auth-key`` writes.

    It is not secret, only too long for a line; as a secret type it may come from a file.
    """

    public = True

    def __init__(self, text: str) -> None:
        """Raises ValueError."""
        super().__init__(text)
        try:
            blob = urlsafe_b64decode(text + "==")
            self._wrapped = decode_blob(blob)[1]
        except (BlobError, ValueError):
            blob = b""
        if not blob or _encode(blob) != text:
            raise ValueError("is not what `kms auth-key` wrote; give that, all of it")

    @property
    def wrapped(self) -> WrappedDek:
        """The authentication key, wrapped."""
        return self._wrapped


def _encode(blob: bytes) -> str:
    return urlsafe_b64encode(blob).rstrip(b"=").decode()


class Sealer:
    """Seals DEKs for a KEK with a public half, and opens what an equal configuration sealed.

    Args:
        pinned: the configuration's authentication key; without one anybody can seal.
        unwrap: has the KEK unwrap, without an authentication key, what :func:`seal_dek` sealed; it
            is called once, before the first use.
    """

    def __init__(self, pinned: AuthKey | None, unwrap: Unwrap) -> None:
        self._pinned, self._unwrap = pinned, unwrap
        self._opened: SecretBytes | None = None

    def seal(self, dek: bytes, context: Context) -> tuple[bytes, bytes]:
        """Seal as :func:`seal_dek` does, and so that nobody else could have done it.

        Raises:
            ConfigError: the pinned key is not one of this KEK.
        """
        return seal_dek(dek, context, self._auth_key())

    def unseal(self, key: bytes, sealed: bytes, context: Context) -> bytes:
        """Unseal what :meth:`seal` sealed.

        Raises:
            UnwrapError: it does not authenticate.
            ConfigError: the pinned key is not one of this KEK.
        """
        return unseal_dek(key, sealed, context, self._auth_key())

    def mark(self, algorithm: str) -> str:
        """The algorithm's name in a record, which says whether an authentication key is in it."""
        return algorithm if self._pinned is None else algorithm + _MARK

    def check_mark(self, algorithm: str) -> str:
        """Compare the name in a record with the configuration, before any call.

        Returns:
            The KMS's own name.

        Raises:
            UnwrapError: no authentication key is in it, and one is configured.
            ConfigError: one is in it, and none is configured.
        """
        marked = algorithm.endswith(_MARK)
        if marked == (self._pinned is not None):
            return algorithm.removesuffix(_MARK)
        problem: KmsError = UnwrapError(
            "it was wrapped without an authKey, so anybody may have made it, and one is "
            "configured; restore the record that was made with it"
        )
        if marked:
            problem = ConfigError("it was wrapped with an authKey, and none is configured; set it")
        problem.other_kek = True  # the same KEK may be configured the other way as well
        raise problem

    def _auth_key(self) -> bytes | None:
        if self._pinned is None:
            return None
        if self._opened is None:
            self._opened = SecretBytes(self._open(self._pinned.wrapped))
        return self._opened.get_secret_value()

    def _open(self, wrapped: WrappedDek) -> bytes:
        try:
            return unwrap_committed(wrapped, blob_context(AUTH_KEY_CONTEXT), self._unwrap)
        except (UnwrapError, KekNotFoundError) as error:
            raise ConfigError(
                f"authKey is not of this KEK; it names {wrapped.kek_id!r}, version "
                f"{wrapped.kek_version!r}: set the value with which the records were made"
            ) from error
