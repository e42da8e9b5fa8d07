"""Checks a backend's parameters against its ``Config``, and finds the secret ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from msgspec.structs import fields

from kms_core._config.choices import CREATE_DEKS, RETIRED_VERSIONS, ChosenBackend
from kms_core._config.unknown import find_unknown, refuse_unknown
from kms_core.backend.parameters import BackendConfig, find_wrong, locate_path
from kms_core.backend.secret import Secret
from kms_core.backend.secret_file import read_secret_file
from kms_core.errors import AccessDeniedError, ConfigError, KmsError

_ENVIRONMENT_NAME = {"kms": "KEK", "storage": "STORAGE", "observer": "OBSERVER"}

_OF_CORE = {"kms": [RETIRED_VERSIONS], "storage": [CREATE_DEKS]}
"""What core itself takes among the parameters of a backend."""

ConfigT = TypeVar("ConfigT", bound=BackendConfig)


def read_parameters(model: type[ConfigT], chosen: ChosenBackend) -> ConfigT:
    """Check a backend's parameters against its model.

    Raises:
        ConfigError: a parameter is unknown, missing or wrong; no message holds a value.
        AccessDeniedError: others may read or change a secret's file.
    """
    parameters = dict(chosen.parameters)
    secrets = secret_kinds(model)
    known = known_names(model, secrets) + _OF_CORE.get(chosen.scheme, [])
    refuse_unknown(chosen.backend, "parameter", parameters, known)
    for name, kind in secrets.items():
        _find_secret(name, kind, parameters, chosen)
    variables = [
        f"{name} comes from {_environment_name(chosen, name)} in the environment"
        for name in secrets
        if name in parameters and not {name, f"{name}File"} & chosen.parameters.keys()
    ]
    try:
        return model.from_parameters(parameters, chosen.folder)
    except ConfigError as error:
        problem = str(error)
    raise ConfigError("; ".join([f"{chosen.backend}: {problem}", *variables]))


def find_wrong_parameters(
    model: type[BackendConfig], chosen: ChosenBackend
) -> Iterator[tuple[str, str]]:
    """All parameters that are wrong by themselves, each with what is said of it."""
    parameters = dict(chosen.parameters)
    secrets = secret_kinds(model)
    known = known_names(model, secrets) + _OF_CORE.get(chosen.scheme, [])
    yield from find_unknown(chosen.backend, "parameter", parameters, known)
    for name, kind in secrets.items():
        try:
            _find_secret(name, kind, parameters, chosen)
        except KmsError as error:
            yield f"{name}File", str(error)
    for name, problem in find_wrong(model, parameters, chosen.folder):
        yield name, f"{chosen.backend}: {problem}"


def secret_kinds(model: type[BackendConfig]) -> dict[str, type[Secret[Any]]]:
    """The parameters that are secret, each with the class that holds it."""
    found = {field.encode_name: _secret_kind(field.type) for field in fields(model)}
    return {name: kind for name, kind in found.items() if kind is not None}


def _secret_kind(kind: Any) -> type[Secret[Any]] | None:
    """A field's type if it is a secret one, or the one that it holds as in ``SecretStr | None``."""
    if isinstance(kind, type):
        return kind if issubclass(kind, Secret) else None
    return next(filter(None, map(_secret_kind, get_args(kind))), None)


def known_names(model: type[BackendConfig], secrets: Iterable[str]) -> list[str]:
    """The parameters, and those that name a secret's file."""
    names = [field.encode_name for field in fields(model)]
    return names + [f"{name}File" for name in secrets]


def _find_secret(
    name: str, kind: type[Secret[Any]], parameters: dict[str, Any], chosen: ChosenBackend
) -> None:
    file = parameters.pop(f"{name}File", None)
    if file is not None:
        if name in parameters:
            raise ConfigError(f"{chosen.backend}: give {name} or {name}File, not both")
        parameters[name] = _read_secret(chosen, f"{name}File", kind, file)
    elif name not in parameters:
        value = os.environ.get(_environment_name(chosen, name), "").strip()
        if value:
            parameters[name] = value


def _environment_name(chosen: ChosenBackend, name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    parts = ("KMS", _ENVIRONMENT_NAME[chosen.scheme], chosen.name, words)
    return re.sub(r"[^A-Z0-9]", "_", "_".join(parts).upper())


def _read_secret(
    chosen: ChosenBackend, name: str, kind: type[Secret[Any]], file: object
) -> Secret[Any]:
    try:
        path = locate_path(Path(str(file)), chosen.folder)
        return kind.from_file(read_secret_file(path, public=kind.public))
    except AccessDeniedError as error:
        error.locate(backend=chosen.backend, operation="open", dek_id=None)
        raise
    except ValueError as error:
        problem = str(error)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    # Raised here and not above: no error with the file's content may be its context. The path is
    # not shown, because whoever mixes up key and keyFile has put the secret there.
    raise ConfigError(f"{chosen.backend}: the file of {name} {problem}")
