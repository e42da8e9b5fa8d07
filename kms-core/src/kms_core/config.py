"""The base of every backend's ``Config`` model, and the types of its fields.

Parameter names are camelCase, as in the URIs of Constellation. A field of type ``SecretStr`` or
``SecretBytes`` named ``key`` may also come from a file (``keyFile=PATH``) or, when the config
gives neither, from the environment (``KMS_KEK_<BACKEND>_KEY``, ``KMS_STORAGE_<BACKEND>_KEY``).
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SecretBytes,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from kms_core.errors import ConfigError
from kms_core.settings import BackendSettings

__all__ = ["BackendConfig", "ConfigPath", "Endpoint", "SecretBytes", "SecretStr", "load_config"]

_ENVIRONMENT_NAME = {"kms": "KEK", "storage": "STORAGE", "observer": "OBSERVER"}
_MESSAGES = {"missing": "is required"}


def _locate(path: Path, folder: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("is a path with a NUL character")
    try:
        return folder / path.expanduser()
    except RuntimeError:
        raise ValueError("is in the home of an unknown user") from None


def _beside_config(path: Path, info: ValidationInfo) -> Path:
    return _locate(path, (info.context or {}).get("folder", Path()))


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


ConfigT = TypeVar("ConfigT", bound=BackendConfig)


def load_config(model: type[ConfigT], settings: BackendSettings) -> ConfigT:
    """Check a backend's parameters against its model.

    Raises:
        ConfigError: a parameter is unknown, missing or wrong; no message holds a value.
    """
    parameters = dict(settings.parameters)
    secrets = _secret_names(model)
    _refuse_unknown(settings.backend, parameters, _known_names(model, secrets))
    for name in secrets:
        _find_secret(name, parameters, settings)
    problem = ""
    try:
        return model.model_validate(parameters, context={"folder": settings.folder})
    except ValidationError as error:
        problem = _describe(error)
    # Raised here and not above: a ValidationError holds the values, and would go along as context.
    raise ConfigError(f"{settings.backend}: {problem}")


def _secret_names(model: type[BackendConfig]) -> list[str]:
    secret_types = {SecretStr, SecretBytes}
    return [
        field.alias or name
        for name, field in model.model_fields.items()
        if secret_types & {field.annotation, *get_args(field.annotation)}
    ]


def _known_names(model: type[BackendConfig], secrets: list[str]) -> list[str]:
    names = [field.alias or name for name, field in model.model_fields.items()]
    return names + [f"{name}File" for name in secrets]


def _refuse_unknown(backend: str, parameters: Mapping[str, Any], known: list[str]) -> None:
    for position, name in enumerate(parameters, 1):
        if name not in known:
            # A name is shown only when it resembles a known one: it may be a piece of a secret
            # that held an unescaped '&'.
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"{name!r}; did you mean {near[0]!r}?" if near else "unknown;"
            takes = ", ".join(sorted(known)) or "no parameters"
            raise ConfigError(f"{backend}: parameter {position} is {hint} it takes {takes}")


def _find_secret(name: str, parameters: dict[str, Any], settings: BackendSettings) -> None:
    file = parameters.pop(f"{name}File", None)
    if file is not None:
        if name in parameters:
            raise ConfigError(f"{settings.backend}: give {name} or {name}File, not both")
        parameters[name] = _read_secret(settings, f"{name}File", file)
    elif name not in parameters:
        value = os.environ.get(_environment_name(settings, name))
        if value:
            parameters[name] = value


def _environment_name(settings: BackendSettings, name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    parts = ("KMS", _ENVIRONMENT_NAME[settings.scheme], settings.name, words)
    return re.sub(r"[^A-Z0-9]", "_", "_".join(parts).upper())


def _read_secret(settings: BackendSettings, name: str, file: object) -> str:
    try:
        path = _locate(Path(str(file)), settings.folder)
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    # Raised here and not above: a decoder's error holds the file's content. The path is not shown,
    # because whoever mixes up key and keyFile has put the secret there.
    raise ConfigError(f"{settings.backend}: the file of {name} {problem}")


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, p['loc']))} {_MESSAGES.get(p['type'], p['msg'])}".strip().replace(
            "Value error, ", ""
        )
        for p in problems
    )
