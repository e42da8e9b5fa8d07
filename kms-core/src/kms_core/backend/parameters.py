"""The base of every backend's ``Config``, and the types of its fields.

Parameter names are camelCase, as in the URIs of Constellation. A field of type ``SecretStr`` or
``SecretBytes`` named ``key`` may also come from a file (``keyFile=PATH``) or, when the config
gives neither, from the environment (``KMS_KEK_<BACKEND>_KEY``, ``KMS_STORAGE_<BACKEND>_KEY``).

A class of your own may be a field's type. Its constructor gets the parameter's text, and raises
ValueError with what is wrong, but without the value: ``is not base64``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self, dataclass_transform, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from kms_core.backend.secret import SecretBytes, SecretStr
from kms_core.errors import ConfigError

__all__ = [
    "AnyEndpoint",
    "Attempts",
    "BackendConfig",
    "Endpoint",
    "RecordPrefix",
    "Seconds",
    "SecretBytes",
    "SecretStr",
    "ServiceConfig",
]


_MAX_PREFIX = 200
_SEGMENT = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


class AnyEndpoint(str):
    """The URL of a service, without a slash at its end.

    Use it only where no DEK goes over the wire, and where the user allows plain http by a parameter
    of its own; else use :class:`Endpoint`.
    """

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        """Raises ValueError."""
        parts = urlsplit(url)
        # A malformed port raises a ValueError of its own here.
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError("is not https://HOST or https://HOST:PORT")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("holds more than scheme, host, port and path; leave credentials out")
        return super().__new__(cls, url.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return _is_loopback(urlsplit(self).hostname or "")

    @property
    def is_plain(self) -> bool:
        """Whether it is plain http to another machine."""
        return self.startswith("http:") and not self.is_local


class Endpoint(AnyEndpoint):
    """An endpoint by https, or by plain http to this machine: a ``str``, to be used as one."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        """Raises ValueError."""
        endpoint = super().__new__(cls, url)
        if endpoint.is_plain:
            raise ValueError("is plain http to another machine; use https")
        return endpoint


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # RFC 6761, section 6.3


class RecordPrefix(str):
    """A folder for records in an object store, of at most 200 characters; it ends in ``/``.

    Some stores keep objects as files, so every segment is an ordinary file name. With the 800
    characters that :func:`encode_object_name` may take, a key stays below the 1024 bytes that all
    stores allow. The empty prefix is no folder.
    """

    __slots__ = ()

    def __new__(cls, prefix: str) -> Self:
        """Raises ValueError."""
        segments = prefix.removesuffix("/").split("/")
        if len(prefix) > _MAX_PREFIX or not all(map(_SEGMENT.fullmatch, segments)):
            raise ValueError(
                "must be names of letters, digits, '.', '_' and '-' parted by '/', "
                f"at most {_MAX_PREFIX} characters, none starting or ending with '.'"
            )
        return super().__new__(cls, "/".join(segments) + "/")


Seconds = Annotated[float, msgspec.Meta(gt=0, le=300)]
"""A time to wait: more than 0 and at most 300 seconds."""

Attempts = Annotated[int, msgspec.Meta(ge=1, le=10)]
"""How often a call is made at most, the first one included: 1 to 10."""


class _KeywordsOnly(msgspec.StructMeta):
    """Makes ``kw_only`` hold in subclasses too, where a required field may come after a default."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> Any:
        return super().__new__(cls, name, bases, namespace, **options | {"kw_only": True})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
class BackendConfig(
    msgspec.Struct,
    metaclass=_KeywordsOnly,
    frozen=True,
    forbid_unknown_fields=True,
    rename="camel",
):
    """Subclass it as ``Config`` inside a backend: a field for each parameter it takes.

    Fields are those of a ``msgspec.Struct``, with constraints as ``msgspec.Meta``; the types of a
    field are checked by :meth:`from_parameters`, not by the constructor. The ``description`` of a
    Meta with a pattern is what the user is told: ``is no name: …``. A rule about several
    fields goes into ``__post_init__``, which calls that of its base and raises ValueError.
    """

    def __post_init__(self) -> None:
        """Check what no single field's type can say. Raises ValueError."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, object], folder: Path = Path()) -> Self:
        """Check parameters as a URI or a config file gives them.

        Args:
            parameters: by their camelCase names.
            folder: where a field of type ``Path`` starts if it is relative.

        Raises:
            ConfigError: a parameter is missing or wrong. It is named; no value is shown.
        """
        missing = [
            field.encode_name
            for field in msgspec.structs.fields(cls)
            if field.required and field.encode_name not in parameters
        ]
        problem = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required"
        if not missing:
            try:
                return msgspec.convert(
                    dict(parameters), cls, strict=False, dec_hook=partial(_read, folder)
                )
            except msgspec.ValidationError as error:
                if isinstance(error.__cause__, TypeError):
                    raise error.__cause__ from None  # a mistake of the field's class
                problem = _describe(error, cls)
        # Raised here and not above: what a field's class raised may hold the value.
        raise ConfigError(problem)


class ServiceConfig(BackendConfig):
    """For a backend that calls a service: how long it waits, and what it keeps open.

    Attributes:
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for more of an answer.
        max_attempts: how often a call is made at most, the first one included.
        deadline: seconds after which a call ends, whatever hangs.
        max_connections: how many calls are made at once, and connections kept for the next ones;
            one for each thread of the program is enough.
    """

    connect_timeout: Seconds = 5
    read_timeout: Seconds = 10
    max_attempts: Attempts = 3
    deadline: Seconds = 60
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50

    @property
    def credentials(self) -> str:
        """Where they come from, in words for ``kms doctor``; empty where that is not told."""
        return ""


def _read(folder: Path, kind: type[Any], value: object) -> object:
    if kind is Path and isinstance(value, (str, Path)):
        return locate_path(Path(value), folder)
    if isinstance(value, kind):  # from Python code, which made it itself
        return value
    if not isinstance(value, str) and not issubclass(kind, type(value)):
        raise ValueError("is not text")  # noqa: TRY004 -- msgspec says where, and it is a user's mistake
    return kind(value)


def locate_path(path: Path, folder: Path) -> Path:
    """The path as seen from the folder, with ``~`` expanded.

    Raises:
        ValueError: it holds a character that no path can, or names an unknown user's home.
    """
    try:
        if b"\0" not in os.fsencode(path):
            return folder / path.expanduser()
        problem = "is a path with a NUL character"
    except UnicodeEncodeError:
        problem = "is a path with a character that no name of a file can hold"
    except RuntimeError:
        problem = "is in the home of an unknown user"
    raise ValueError(problem)


def find_wrong(
    model: type[BackendConfig], parameters: Mapping[str, object], folder: Path
) -> Iterator[tuple[str, str]]:
    """All parameters that are wrong by themselves, each with what is said of it."""
    for field in msgspec.structs.fields(model):
        name = field.encode_name
        if name in parameters:
            try:
                read = partial(_read, folder)
                msgspec.convert(parameters[name], field.type, strict=False, dec_hook=read)
            except msgspec.ValidationError as error:
                yield name, _describe(error, model, name)


def _describe(
    error: msgspec.ValidationError, model: type[BackendConfig], field: str | None = None
) -> str:
    text, _, place = str(error).partition(" - at `$")
    name = field or place.strip(".`")
    if error.__cause__ is not None:  # its own words begin with a verb, or are about many fields
        return f"{name} {text}".strip()
    if text.startswith("Expected `str` ") and (words := _description(model, name)):
        return f"{name} {words}"
    if text.startswith("Invalid"):  # as in "Invalid enum value 'hunter2'"
        return f"{name} is none of the values that it may have"
    return f"{name}: {text[0].lower()}{text[1:]}"


def _description(model: type[BackendConfig], name: str) -> str | None:
    """What the field's Meta says, in place of a pattern that nobody can read."""
    fields = {field.encode_name: field.name for field in msgspec.structs.fields(model)}
    hints = get_type_hints(model, include_extras=True)
    return next(_descriptions(hints.get(fields.get(name, ""))), None)


def _descriptions(hint: object) -> Iterator[str]:
    for part in get_args(hint):
        if isinstance(part, msgspec.Meta) and part.description:
            yield part.description
        yield from _descriptions(part)
