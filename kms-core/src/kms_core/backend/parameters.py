"""The base of every backend's ``Config`` model, and the types of its fields.

Parameter names are camelCase, as in the URIs of Constellation. A field of type ``SecretStr`` or
``SecretBytes`` named ``key`` may also come from a file (``keyFile=PATH``) or, when the config
gives neither, from the environment (``KMS_KEK_<BACKEND>_KEY``, ``KMS_STORAGE_<BACKEND>_KEY``).
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

__all__ = [
    "Attempts",
    "BackendConfig",
    "ConfigPath",
    "Endpoint",
    "RecordPrefix",
    "Seconds",
    "SecretBytes",
    "SecretStr",
]


_MAX_PREFIX = 200
_SEGMENT = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def locate_path(path: Path, folder: Path) -> Path:
    """The path as seen from the folder, with ``~`` expanded.

    Raises:
        ValueError: it holds a NUL character, or names an unknown user's home.
    """
    if "\0" in str(path):
        raise ValueError("is a path with a NUL character")
    try:
        return folder / path.expanduser()
    except RuntimeError:
        raise ValueError("is in the home of an unknown user") from None


def _beside_config(path: Path, info: ValidationInfo) -> Path:
    return locate_path(path, (info.context or {}).get("folder", Path()))


ConfigPath = Annotated[Path, AfterValidator(_beside_config)]
"""A path; a relative one starts at the config file's folder, or else at the current one."""


def _check_endpoint(url: str) -> str:
    parts = urlsplit(url)
    # A malformed port raises a ValueError of its own here.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError("is not https://HOST or https://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("holds more than scheme, host, port and path; leave credentials out")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("is plain http to another machine; use https")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # RFC 6761, section 6.3


Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
"""The URL of a service. Plain http is refused except to this machine."""


def _check_prefix(prefix: str) -> str:
    segments = prefix.removesuffix("/").split("/")
    if len(prefix) > _MAX_PREFIX or not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError(
            "must be names of letters, digits, '.', '_' and '-' parted by '/', "
            f"at most {_MAX_PREFIX} characters, none starting or ending with '.'"
        )
    return "/".join(segments) + "/"


RecordPrefix = Annotated[str, AfterValidator(_check_prefix)]
"""A folder for records in an object store, of at most 200 characters; it ends in ``/``.

Some stores keep objects as files, so every segment is an ordinary file name. With the 800
characters that :func:`encode_object_name` may take, a key stays below the 1024 bytes that all
stores allow.
"""

Seconds = Annotated[float, Field(gt=0, le=300)]
"""A time to wait: more than 0 and at most 300 seconds."""

Attempts = Annotated[int, Field(ge=1, le=10)]
"""How often a call is made at most, the first one included: 1 to 10."""


class BackendConfig(BaseModel):
    """Subclass it as ``Config`` inside a backend: a field for each parameter it takes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,  # Python code may write Config(key_file=…); a URI says keyFile
        validate_by_alias=True,
        hide_input_in_errors=True,
    )
