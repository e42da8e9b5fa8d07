"""Reads a master secret and its salt in the forms that Constellation has for them.

No form is taken for another: hexadecimal digits are base64url as well, and any text is raw bytes,
so what could be two of them is refused.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from pathlib import Path

from kms_cluster.config import ClusterConfig, EncodedSecret, Encoding
from kms_core import ConfigError
from kms_core.backend import read_secret_file

MIN_MASTER_SECRET_SIZE = 16
MIN_SALT_SIZE = 32

_PADDED = r"(?:[{0}]{{4}})*(?:[{0}]{{2}}==|[{0}]{{3}}=)?"
_BASE64URL = re.compile(_PADDED.format("A-Za-z0-9_-"))
_BASE64 = re.compile(_PADDED.format("A-Za-z0-9+/"))
_HEX = re.compile("(?:[0-9A-Fa-f]{2})+")
_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\r -~]+")
_FORMS = "give encoding=hex or encoding=raw for another form, or file for a JSON file"


def read_master_secret(config: ClusterConfig) -> tuple[bytes, bytes]:
    """The master secret and the salt.

    Raises:
        ConfigError: one is in another form than the config says, or too short. No message shows
            any of it.
        AccessDeniedError: others may read or change the file.
    """
    if config.file is not None:
        key, salt = _read_file(config.file)
    else:
        key, salt = (
            _decode(name, given, config.encoding)
            for name, given in (("key", config.key), ("salt", config.salt))
        )
    for name, secret, least in (
        ("key", key, MIN_MASTER_SECRET_SIZE),
        ("salt", salt, MIN_SALT_SIZE),
    ):
        needed = 1 if config.allow_short else least
        if len(secret) < needed:
            raise ConfigError(f"{name} has {len(secret)} bytes; at least {needed} are needed")
    return key, salt


def _decode(name: str, given: EncodedSecret | None, encoding: Encoding | None) -> bytes:
    content = given.get_secret_value() if given is not None else b""
    if encoding == "raw":
        if _TEXT.fullmatch(content):
            raise ConfigError(f"{name} is text, and not raw bytes; leave encoding=raw out")
        return content
    text = content.decode("utf-8-sig", "replace").strip()
    if encoding == "hex":
        if not _HEX.fullmatch(text):
            raise ConfigError(f"{name} is not hexadecimal, two digits for each byte")
        return bytes.fromhex(text)
    if not _BASE64URL.fullmatch(text):
        raise ConfigError(f"{name} is not base64url with padding (RFC 4648, section 5); {_FORMS}")
    if encoding is None and _HEX.fullmatch(text):
        raise ConfigError(
            f"{name} could be hexadecimal as well as base64url; give encoding=hex, as for the "
            "values of Terraform, or encoding=base64url"
        )
    return urlsafe_b64decode(text)


def _read_file(path: Path) -> tuple[bytes, bytes]:
    try:
        document = json.loads(read_secret_file(path).decode())
        if document.keys() == {"key", "salt"} and all(map(_BASE64.fullmatch, document.values())):
            return b64decode(document["key"]), b64decode(document["salt"])
        problem = "holds something else than key and salt in base64 (RFC 4648, section 4)"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except (ValueError, TypeError, AttributeError, RecursionError):
        problem = "is not a JSON object with key and salt, as Constellation writes it"
    # Raised here and not above: those errors may hold the file's content.
    raise ConfigError(f"file: {str(path)!r} {problem}")
