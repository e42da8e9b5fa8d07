"""What the user asked for: which backends, with which parameters, from arguments, a TOML file or
the environment. Nothing is checked against a backend here, and nothing of one is imported.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from kms_core.errors import ConfigError
from kms_core.uri import parse_uri

BackendSource: TypeAlias = str | Mapping[str, object]
"""A URI, or a mapping with the key ``backend`` beside the parameters."""


@dataclass(frozen=True, slots=True)
class BackendSettings:
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
class Settings:
    """The backends of one :class:`~kms_core.Kms`."""

    kek: BackendSettings
    storage: BackendSettings
    observers: tuple[BackendSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class _Partial:
    kek: BackendSettings | None = None
    storage: BackendSettings | None = None
    observers: tuple[BackendSettings, ...] = ()


def load_settings(
    *,
    kek: BackendSource | None = None,
    storage: BackendSource | None = None,
    observers: Sequence[BackendSource] = (),
    config: str | os.PathLike[str] | None = None,
) -> Settings:
    """Put the settings together. Arguments replace what the config file says of the same part;
    the environment is read only where there is neither an argument nor a file.

    Raises:
        ConfigError: no KEK is named, or a URI, mapping or file is malformed.
    """
    if kek is None and storage is None and config is None:
        kek = os.environ.get("KMS_KEK_URI") or None
        storage = os.environ.get("KMS_STORAGE_URI") or None
        config = os.environ.get("KMS_CONFIG") or None
    base = _Partial() if config is None else _read_file(Path(config))
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
    no_store = BackendSettings("storage", "no-store", {})
    return Settings(base.kek, base.storage or no_store, base.observers)


def _read_file(path: Path) -> _Partial:
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


def _parse(document: Mapping[str, object], path: Path) -> _Partial:
    unknown = document.keys() - {"kek", "storage", "observers"}
    if unknown:
        raise ConfigError(
            f"{path}: unknown {', '.join(sorted(unknown))}; it takes kek, storage and observers"
        )
    folder = path.absolute().parent
    kek, storage = document.get("kek"), document.get("storage")
    return _Partial(
        kek=None if kek is None else _backend(kek, "kms", folder),
        storage=None if storage is None else _backend(storage, "storage", folder),
        observers=_observers(document.get("observers", ()), folder),
    )


def _observers(value: object, folder: Path) -> tuple[BackendSettings, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError('observers is a list, such as ["log"]')
    return tuple(_backend(v, "observer", folder) for v in value)


def _backend(value: object, scheme: str, folder: Path) -> BackendSettings:
    if isinstance(value, str):
        if scheme == "observer" and "://" not in value:
            value = f"observer://{value}"
        name, parameters = parse_uri(value, scheme)
        return BackendSettings(scheme, name, parameters, folder)
    if isinstance(value, Mapping):
        others = {str(k): v for k, v in value.items()}
        backend = others.pop("backend", None)
        if isinstance(backend, str) and backend:
            return BackendSettings(scheme, backend, others, folder)
    raise ConfigError(
        f"a {scheme} backend is a URI ({scheme}://NAME?…) or a table with `backend = NAME`"
    )
