"""What ``kms://cluster-kms`` takes."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from kms_core.backend import BackendConfig, SecretBytes

MIN_MASTER_SECRET_SIZE = 16
MIN_SALT_SIZE = 32

_BASE64URL = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?")


def _decode(value: object) -> object:
    """RFC 4648, section 5, with padding; Python's own decoder passes over what is not in it."""
    if not isinstance(value, str):
        return value
    if not _BASE64URL.fullmatch(value):
        raise ValueError("is not base64url with padding (RFC 4648, section 5)")
    return urlsafe_b64decode(value)


Base64UrlSecret = Annotated[SecretBytes, BeforeValidator(_decode)]


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

    @model_validator(mode="after")
    def _refuse_short(self) -> Self:
        for name, secret, least in (
            ("key", self.key, MIN_MASTER_SECRET_SIZE),
            ("salt", self.salt, MIN_SALT_SIZE),
        ):
            needed = 1 if self.allow_short else least
            if len(secret) < needed:
                raise ValueError(f"{name} has {len(secret)} bytes; at least {needed} are needed")
        return self
