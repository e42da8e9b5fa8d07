"""What the user asked for: which backends, with which parameters, from arguments, a TOML file or
the environment. Nothing is checked against a backend here, and nothing of one is imported.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kms_core._config.environment import environment_may_create, read_environment, read_switch
from kms_core._config.uri import NAME_RULE, is_name, parse_uri
from kms_core._values import UriOrMapping
from kms_core.errors import ConfigError

CREATE_DEKS = "createDeks"
"""What may stand beside the parameters of any storage: whether DEKs may be made in it."""


@dataclass(frozen=True, slots=True)
class ChosenBackend:
    """One backend with its parameters, which may be secret and stay out of the repr."""

    scheme: str
    name: str
    parameters: Mapping[str, object] = field(repr=False)
    folder: Path = Path()

    @property
    def backend(self) -> str:
        """``kms://NAME``, ``storage://NAME`` or ``observer://NAME``."""
        return f"{self.scheme}://{self.name}"


@dataclass(frozen=True, slots=True)
class Choices:
    """The backends of one :class:`~kms_core.Kms`, and whether it may make DEKs."""

    kek: ChosenBackend
    storage: ChosenBackend
    observers: tuple[ChosenBackend, ...] = ()
    may_create: bool = True


@dataclass(frozen=True, slots=True)
class _Part:
    kek: ChosenBackend | None = None
    storage: ChosenBackend | None = None
    observers: tuple[ChosenBackend, ...] = ()


def load_choices(
    *,
    kek: UriOrMapping | None = None,
    storage: UriOrMapping | None = None,
    observers: Sequence[UriOrMapping] = (),
    config: str | os.PathLike[str] | None = None,
) -> Choices:
    """Put the choices together. Arguments replace what the config file says of the same part;
    the environment is read only where there is neither an argument nor a file.

    Raises:
        ConfigError: no KEK is named, or a URI, mapping or file is malformed.
    """
    if kek is None and storage is None and config is None:
        given = read_environment()
        kek, storage, config = (given.get(part) for part in ("kek", "storage", "config"))
    base = _Part() if config is None else _read_file(Path(config))
    if kek is not None:
        base = replace(base, kek=_backend(kek, "kms", Path()))
    if storage is not None:
        base = replace(base, storage=_backend(storage, "storage", Path()))
    if observers:
        base = replace(base, observers=_observers(observers, Path()))
    if base.kek is None:
        raise ConfigError(
            "no KEK is configured; run `kms init`, or name one by config=, kek= or the "
            "environment variables KMS_CONFIG or KMS_KEK_URI"
        )
    chosen = base.storage or ChosenBackend("storage", "no-store", {})
    said = chosen.parameters.get(CREATE_DEKS, True)
    may_create = read_switch(said, f"{chosen.backend}: {CREATE_DEKS}") and environment_may_create()
    others = {name: value for name, value in chosen.parameters.items() if name != CREATE_DEKS}
    return Choices(base.kek, replace(chosen, parameters=others), base.observers, may_create)


def _read_file(path: Path) -> _Part:
    problem = ""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"cannot read it: {error.strerror}; `kms init` writes one"
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        problem = f"it is not TOML: {error}"
    else:
        return _parse(document, path)
    raise ConfigError(f"{path}: {problem}")  # not above: a TOML error may carry the document


def _parse(document: Mapping[str, object], path: Path) -> _Part:
    unknown = document.keys() - {"kek", "storage", "observers"}
    if unknown:
        raise ConfigError(
            f"{path}: unknown {', '.join(sorted(unknown))}; it takes kek, storage and observers"
        )
    folder = path.absolute().parent
    kek, storage = document.get("kek"), document.get("storage")
    return _Part(
        kek=None if kek is None else _backend(kek, "kms", folder),
        storage=None if storage is None else _backend(storage, "storage", folder),
        observers=_observers(document.get("observers", ()), folder),
    )


def _observers(value: object, folder: Path) -> tuple[ChosenBackend, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError('observers is a list, such as ["log"]')
    return tuple(_backend(v, "observer", folder) for v in value)


def _backend(value: object, scheme: str, folder: Path) -> ChosenBackend:
    if isinstance(value, str):
        if scheme == "observer" and "://" not in value:
            value = f"observer://{value}"
        name, parameters = parse_uri(value, scheme)
        return ChosenBackend(scheme, name, parameters, folder)
    if isinstance(value, Mapping):
        others = {str(k): v for k, v in value.items()}
        backend = others.pop("backend", None)
        if isinstance(backend, str) and is_name(backend):
            return ChosenBackend(scheme, backend, others, folder)
    raise ConfigError(
        f"a {scheme} backend is a URI ({scheme}://NAME?…) or a table with `backend = NAME`; "
        f"NAME has {NAME_RULE}"
    )
