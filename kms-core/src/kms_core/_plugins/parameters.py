"""Checks a backend's parameters against its ``Config``, and finds the secret ones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar, get_args

from msgspec.structs import fields

from kms_core._config.choices import CREATE_DEKS, ChosenBackend
from kms_core._config.unknown import refuse_unknown
from kms_core.backend.parameters import BackendConfig, locate_path
from kms_core.backend.secret import Secret
from kms_core.errors import ConfigError

_ENVIRONMENT_NAME = {"kms": "KEK", "storage": "STORAGE", "observer": "OBSERVER"}

ConfigT = TypeVar("ConfigT", bound=BackendConfig)


def read_parameters(model: type[ConfigT], chosen: ChosenBackend) -> ConfigT:
    """Check a backend's parameters against its model.

    Raises:
        ConfigError: a parameter is unknown, missing or wrong; no message holds a value.
    """
    parameters = dict(chosen.parameters)
    secrets = secret_names(model)
    also = [CREATE_DEKS] if chosen.scheme == "storage" else []  # which core itself takes
    refuse_unknown(chosen.backend, "parameter", parameters, known_names(model, secrets) + also)
    for name in secrets:
        _find_secret(name, parameters, chosen)
    try:
        return model.from_parameters(parameters, chosen.folder)
    except ConfigError as error:
        problem = str(error)
    raise ConfigError(f"{chosen.backend}: {problem}")


def secret_names(model: type[BackendConfig]) -> list[str]:
    """The parameters that are secret."""
    return [field.encode_name for field in fields(model) if _is_secret(field.type)]


def _is_secret(kind: object) -> bool:
    """Whether a field's type is a secret one, or holds one as in ``SecretStr | None``."""
    if isinstance(kind, type):
        return issubclass(kind, Secret)
    return any(map(_is_secret, get_args(kind)))


def known_names(model: type[BackendConfig], secrets: list[str]) -> list[str]:
    """The parameters, and those that name a secret's file."""
    names = [field.encode_name for field in fields(model)]
    return names + [f"{name}File" for name in secrets]


def _find_secret(name: str, parameters: dict[str, Any], chosen: ChosenBackend) -> None:
    file = parameters.pop(f"{name}File", None)
    if file is not None:
        if name in parameters:
            raise ConfigError(f"{chosen.backend}: give {name} or {name}File, not both")
        parameters[name] = _read_secret(chosen, f"{name}File", file)
    elif name not in parameters:
        value = os.environ.get(_environment_name(chosen, name), "").strip()
        if value:
            parameters[name] = value


def _environment_name(chosen: ChosenBackend, name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    parts = ("KMS", _ENVIRONMENT_NAME[chosen.scheme], chosen.name, words)
    return re.sub(r"[^A-Z0-9]", "_", "_".join(parts).upper())


def _read_secret(chosen: ChosenBackend, name: str, file: object) -> str:
    try:
        path = locate_path(Path(str(file)), chosen.folder)
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        problem = "is not UTF-8 text"
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    # Raised here and not above: a decoder's error holds the file's content. The path is not shown,
    # because whoever mixes up key and keyFile has put the secret there.
    raise ConfigError(f"{chosen.backend}: the file of {name} {problem}")
