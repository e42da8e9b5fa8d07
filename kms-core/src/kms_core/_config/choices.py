"""What the user asked for: which backends, with which parameters, from arguments, a TOML file or
the environment. Nothing is checked against a backend here, and nothing of one is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from kms_core._config.cache import CacheSettings, choose_cache
from kms_core._config.environment import environment_may_create, read_environment, read_switch
from kms_core._config.file import choose_parts, parse_text, read_profiles, read_text
from kms_core._config.place import Place
from kms_core._config.uri import NAME_RULE, is_name, parse_uri
from kms_core._values import UriOrMapping
from kms_core.errors import ConfigError

CREATE_DEKS = "createDeks"
"""What may stand beside the parameters of any storage: whether DEKs may be made in it."""

RETIRED_VERSIONS = "retiredVersions"
"""What may stand beside the parameters of any KEK: versions that may not be used any more."""

UriOrMappings: TypeAlias = UriOrMapping | Sequence[UriOrMapping]
"""One backend, or several."""


_NOWHERE = Place()
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class ChosenBackend:
    """One backend with its parameters, which may be secret and stay out of the repr.

    Attributes:
        scheme: ``kms``, ``storage`` or ``observer``.
        name: the backend's.
        parameters: what its ``Config`` takes.
        folder: where a relative path starts.
        retired_versions: those of a KEK that may not be used any more.
        may_create: whether DEKs may be made in this storage.
        written: those parameters that environment variables are part of, as the file has them.
    """

    scheme: str
    name: str
    parameters: Mapping[str, object] = field(repr=False)
    folder: Path = Path()
    retired_versions: tuple[str, ...] = ()
    may_create: bool = True
    written: Mapping[str, object] = field(default_factory=dict, repr=False)

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
    kek: tuple[ChosenBackend, ...] = ()
    storage: ChosenBackend | None = None
    observers: tuple[ChosenBackend, ...] = ()
    cache: CacheSettings | None = None


def load_choices(  # noqa: PLR0913 -- each is a choice of its own
    *,
    kek: UriOrMappings | None = None,
    storage: UriOrMapping | None = None,
    observers: Sequence[UriOrMapping] = (),
    cache: Mapping[str, object] | None = None,
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
) -> Choices:
    """Put the choices together. Arguments replace what the config file says of the same part;
    the environment is read only where there is neither an argument nor a file.

    Raises:
        ConfigError: no KEK is named, there is no such profile, or a URI, mapping or file is
            malformed.
    """
    if kek is None and storage is None and config is None:
        given = read_environment()
        kek, storage, config = (given.get(part) for part in ("kek", "storage", "config"))
        profile = profile or given.get("profile")
    base = _read_file(config, profile)
    if kek is not None:
        base = replace(base, kek=_keks(kek, Place()))
    if storage is not None:
        base = replace(base, storage=_storage(storage, Place()))
    if observers:
        base = replace(base, observers=_observers(observers, Place()))
    if cache is not None:
        base = replace(base, cache=choose_cache(cache, "cache"))
    if not base.kek:
        raise ConfigError(_no_kek(config, profile))
    chosen = base.storage or ChosenBackend("storage", "no-store", {})
    may_create = chosen.may_create and environment_may_create()
    return Choices(base.kek, chosen, base.observers, may_create, base.cache)


def _no_kek(config: str | os.PathLike[str] | None, profile: str | None) -> str:
    if profile is not None:
        return f"{config}: profile {profile!r} names no KEK; add [profile.{profile}.kek]"
    if config is not None:
        path = Path(config)
        profiles = read_profiles(parse_text(read_text(path), path), path)
        if profiles:
            return (
                f"{path}: it names no KEK outside of its profiles; name one of these by profile=, "
                f"--profile or KMS_PROFILE: {', '.join(profiles)}"
            )
    return (
        "no KEK is configured; run `kms init`, or name one by config=, kek= or the environment "
        "variables KMS_CONFIG or KMS_KEK_URI"
    )


def _read_file(config: str | os.PathLike[str] | None, profile: str | None) -> _Part:
    if config is None:
        if profile is not None:
            raise ConfigError(
                f"profile {profile!r} is one of a config file, and none is named; give config=, "
                "--config or KMS_CONFIG"
            )
        return _Part()
    path = Path(config)
    parts = choose_parts(parse_text(read_text(config), path), path, profile)
    found: dict[str, Any] = {part: CHOOSE[part](*written) for part, written in parts.items()}
    return _Part(**found)


def _choose_cache(value: object, place: Place) -> CacheSettings | None:
    filled = place.fill(value)
    if isinstance(filled, Mapping):  # an environment variable can say text only
        filled = {name: _number(one) for name, one in filled.items()}
    return choose_cache(filled, str(place))


def _number(value: object) -> object:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


def _keks(value: object, place: Place) -> tuple[ChosenBackend, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (choose_kek(value, place),)
    if not value:
        raise ConfigError("the list of KEKs is empty; name one at least, the one that wraps first")
    return tuple(choose_kek(v, place.at(number)) for number, v in enumerate(value))


def choose_kek(value: object, place: Place = _NOWHERE) -> ChosenBackend:
    """Read what the user wrote of one KEK.

    Raises:
        ConfigError: it is malformed.
    """
    chosen = _backend(value, "kms", place)
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


def _storage(value: object, place: Place) -> ChosenBackend:
    chosen = _backend(value, "storage", place)
    others = dict(chosen.parameters)
    said = read_switch(others.pop(CREATE_DEKS, True), f"{chosen.backend}: {CREATE_DEKS}")
    return replace(chosen, parameters=others, may_create=said)


def _observers(value: object, place: Place) -> tuple[ChosenBackend, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError('observers is a list, such as ["log"]')
    return tuple(_backend(v, "observer", place.at(number)) for number, v in enumerate(value))


def _backend(value: object, scheme: str, place: Place) -> ChosenBackend:
    if isinstance(value, str) and not value.startswith(f"{scheme}://"):
        value, place = place.fill(value), Place(place.folder)  # what comes is not filled again
    if isinstance(value, str):
        if scheme == "observer" and "://" not in value:
            value = f"observer://{value}"
        name, parameters = parse_uri(value, scheme)
        return _chosen(scheme, name, parameters, place)
    if isinstance(value, Mapping):
        others = {str(k): v for k, v in value.items()}
        backend = place.at("backend").fill(others.pop("backend", None))
        if isinstance(backend, str) and is_name(backend):
            return _chosen(scheme, backend, others, place)
    raise ConfigError(
        f"a {scheme} backend is a URI ({scheme}://NAME?…) or a table with `backend = NAME`; "
        f"NAME has {NAME_RULE}"
    )


def _chosen(
    scheme: str, name: str, parameters: Mapping[str, object], place: Place
) -> ChosenBackend:
    filled = place.fill(parameters)
    written = {name: text for name, text in parameters.items() if text != filled[name]}
    return ChosenBackend(scheme, name, filled, place.folder, written=written)


CHOOSE: Mapping[str, Callable[[object, Place], object]] = {
    "kek": _keks,
    "storage": _storage,
    "observers": _observers,
    "cache": _choose_cache,
}
"""Part of a config file → what reads it."""
