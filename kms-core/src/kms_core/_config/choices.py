"""What the user asked for: which backends, with which parameters, from arguments, a TOML file or
the environment. Nothing is checked against a backend here, and nothing of one is imported.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from kms_core._config.cache import CacheSettings, choose_cache
from kms_core._config.environment import environment_may_create, read_environment, read_switch
from kms_core._config.unknown import refuse_unknown
from kms_core._config.uri import NAME_RULE, is_name, parse_uri
from kms_core._values import UriOrMapping
from kms_core.errors import ConfigError

CREATE_DEKS = "createDeks"
"""What may stand beside the parameters of any storage: whether DEKs may be made in it."""

RETIRED_VERSIONS = "retiredVersions"
"""What may stand beside the parameters of any KEK: versions that may not be used any more."""

UriOrMappings: TypeAlias = UriOrMapping | Sequence[UriOrMapping]
"""One backend, or several."""

_PLACE = re.compile(r"\(at [^()]*\)\Z")
"""Where a text is not TOML, at the end of tomllib's message."""


@dataclass(frozen=True, slots=True)
class ChosenBackend:
    """One backend with its parameters, which may be secret and stay out of the repr.

    Attributes:
        scheme: ``kms``, ``storage`` or ``observer``.
        name: the backend's.
        parameters: what its ``Config`` takes.
        folder: where a relative path starts.
        retired_versions: those of a KEK that may not be used any more.
    """

    scheme: str
    name: str
    parameters: Mapping[str, object] = field(repr=False)
    folder: Path = Path()
    retired_versions: tuple[str, ...] = ()

    @property
    def backend(self) -> str:
        """``kms://NAME``, ``storage://NAME`` or ``observer://NAME``."""
        return f"{self.scheme}://{self.name}"


@dataclass(frozen=True, slots=True)
class Choices:
    """The backends of one :class:`~kms_core.Kms`, its cache, and whether it may make DEKs.

    The first KEK wraps, and all of them unwrap.
    """

    keks: tuple[ChosenBackend, ...]
    storage: ChosenBackend
    observers: tuple[ChosenBackend, ...] = ()
    may_create: bool = True
    cache: CacheSettings | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    keks: tuple[ChosenBackend, ...] = ()
    storage: ChosenBackend | None = None
    observers: tuple[ChosenBackend, ...] = ()
    cache: CacheSettings | None = None


def load_choices(
    *,
    kek: UriOrMappings | None = None,
    storage: UriOrMapping | None = None,
    observers: Sequence[UriOrMapping] = (),
    cache: Mapping[str, object] | None = None,
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
    base = _Part() if config is None else _read_file(config)
    if kek is not None:
        base = replace(base, keks=_keks(kek, Path()))
    if storage is not None:
        base = replace(base, storage=_backend(storage, "storage", Path()))
    if observers:
        base = replace(base, observers=_observers(observers, Path()))
    if cache is not None:
        base = replace(base, cache=choose_cache(cache, "cache"))
    if not base.keks:
        raise ConfigError(
            "no KEK is configured; run `kms init`, or name one by config=, kek= or the "
            "environment variables KMS_CONFIG or KMS_KEK_URI"
        )
    chosen = base.storage or ChosenBackend("storage", "no-store", {})
    said = chosen.parameters.get(CREATE_DEKS, True)
    may_create = read_switch(said, f"{chosen.backend}: {CREATE_DEKS}") and environment_may_create()
    others = {name: value for name, value in chosen.parameters.items() if name != CREATE_DEKS}
    kept_in = replace(chosen, parameters=others)
    return Choices(base.keks, kept_in, base.observers, may_create, base.cache)


def _read_file(config: str | os.PathLike[str]) -> _Part:
    path = Path(config)
    if "://" in str(config):  # not shown: it may hold a secret
        raise ConfigError(
            "config is the path of a TOML file, and this is a URI; give it as kek or storage, or "
            "in KMS_KEK_URI or KMS_STORAGE_URI"
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors write a mark
    except OSError as error:
        problem = f"{path}: cannot read it: {error.strerror}; `kms init` writes one"
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))  # and no more of it: it may name what is secret
        problem = f"{path}: it is not TOML {place[0] if place else ''}"
    except UnicodeDecodeError:
        problem = f"{path}: it is not UTF-8 text"
    except UnicodeEncodeError:
        problem = "config is not the path of a file"
    except (ValueError, RecursionError):
        problem = f"{str(path)!r}: it is not a file that can be read as TOML"
    else:
        return _parse(document, path)
    raise ConfigError(problem)  # not above: those errors may carry the document


def _parse(document: Mapping[str, object], path: Path) -> _Part:
    refuse_unknown(str(path), "table", document, ["kek", "storage", "observers", "cache"])
    folder = path.absolute().parent
    kek, storage, cache = (document.get(part) for part in ("kek", "storage", "cache"))
    return _Part(
        keks=() if kek is None else _keks(kek, folder),
        storage=None if storage is None else _backend(storage, "storage", folder),
        observers=_observers(document.get("observers", ()), folder),
        cache=None if cache is None else choose_cache(cache, f"{path}: cache"),
    )


def _keks(value: object, folder: Path) -> tuple[ChosenBackend, ...]:
    several = isinstance(value, Sequence) and not isinstance(value, str)
    values = tuple(value) if several else (value,)  # type: ignore[arg-type] # mypy forgets which
    if not values:
        raise ConfigError("the list of KEKs is empty; name one at least, the one that wraps first")
    return tuple(choose_kek(v, folder) for v in values)


def choose_kek(value: object, folder: Path = Path()) -> ChosenBackend:
    """Read what the user wrote of one KEK.

    Raises:
        ConfigError: it is malformed.
    """
    chosen = _backend(value, "kms", folder)
    others = dict(chosen.parameters)
    retired = others.pop(RETIRED_VERSIONS, ())
    return replace(chosen, parameters=others, retired_versions=_versions(retired, chosen.backend))


def _versions(value: object, backend: str) -> tuple[str, ...]:
    versions = value.split(",") if isinstance(value, str) else value
    if isinstance(versions, Sequence) and all(isinstance(v, str) and v for v in versions):
        return tuple(versions)
    raise ConfigError(
        f'{backend}: {RETIRED_VERSIONS} is a list of texts, such as ["1", "2"], and in a URI 1,2'
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
