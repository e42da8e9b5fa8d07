"""What ``kms://cluster-kms`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, TypeAlias

from kms_core.backend import BackendConfig, SecretBytes

Encoding: TypeAlias = Literal["base64url", "hex", "raw"]


class EncodedSecret(SecretBytes):
    """A secret as it was given. What it means depends on another parameter."""

    def __init__(self, given: str | bytes) -> None:
        super().__init__(
            given.encode(errors="surrogateescape") if isinstance(given, str) else given
        )

    @classmethod
    def from_file(cls, content: bytes) -> Self:
        """The file's bytes, which may be no text."""
        return cls(content)


class ClusterConfig(BackendConfig):
    """A master secret and a salt, each by itself or both in one file of Constellation.

    ``key`` and ``salt`` may also come from files (``keyFile``, ``saltFile``) or from the
    environment (``KMS_KEK_CLUSTER_KMS_KEY``, ``KMS_KEK_CLUSTER_KMS_SALT``).

    Attributes:
        key: the master secret, at least 16 bytes.
        salt: at least 32 bytes.
        encoding: of both: base64url with padding (RFC 4648, section 5), hexadecimal digits, or
            raw bytes. Without it they are base64url, and refused if they could be hexadecimal.
        file: path of a ``constellation-mastersecret.json``, in place of ``key`` and ``salt``.
        allow_short: admit shorter ones, as published test vectors have them.
    """

    key: EncodedSecret | None = None
    salt: EncodedSecret | None = None
    encoding: Encoding | None = None
    file: Path | None = None
    allow_short: bool = False

    def __post_init__(self) -> None:
        given = [self.key is not None, self.salt is not None]
        if self.file is None and not all(given):
            missing = " and ".join(n for n, g in zip(("key", "salt"), given, strict=True) if not g)
            raise ValueError(f"{missing} {'is' if any(given) else 'are'} required, or else file")
        if self.file is not None and (any(given) or self.encoding):
            raise ValueError(
                "file takes the place of key, salt and encoding; give one or the others, also in "
                "KMS_KEK_CLUSTER_KMS_KEY and KMS_KEK_CLUSTER_KMS_SALT"
            )
