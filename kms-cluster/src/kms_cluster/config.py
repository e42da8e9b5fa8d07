"""What ``kms://cluster-kms`` takes."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode

from kms_core.backend import BackendConfig, SecretBytes

MIN_MASTER_SECRET_SIZE = 16
MIN_SALT_SIZE = 32

_BASE64URL = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?")


class Base64UrlSecret(SecretBytes):
    """RFC 4648, section 5, with padding; Python's own decoder passes over what is not in it."""

    def __init__(self, text: str | bytes) -> None:
        if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
            raise ValueError("is not base64url with padding (RFC 4648, section 5)")
        super().__init__(urlsafe_b64decode(text))


class ClusterConfig(BackendConfig):
    """The master secret and the salt, in base64url with padding.

    Each may also come from a file (``keyFile``, ``saltFile``) or from the environment
    (``KMS_KEK_CLUSTER_KMS_KEY``, ``KMS_KEK_CLUSTER_KMS_SALT``).

    Attributes:
        key: the master secret, at least 16 bytes.
        salt: at least 32 bytes.
        allow_short: admit shorter ones, as published test vectors have them.
    """

    key: Base64UrlSecret
    salt: Base64UrlSecret
    allow_short: bool = False

    def __post_init__(self) -> None:
        for name, secret, least in (
            ("key", self.key, MIN_MASTER_SECRET_SIZE),
            ("salt", self.salt, MIN_SALT_SIZE),
        ):
            needed = 1 if self.allow_short else least
            if len(secret) < needed:
                raise ValueError(f"{name} has {len(secret)} bytes; at least {needed} are needed")
