"""Reads a config file: its text, and the parts of one of its profiles."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from kms_core._config.place import Place
from kms_core._config.unknown import refuse_unknown
from kms_core.errors import ConfigError

PARTS = ("kek", "storage", "observers", "cache")
PROFILE = "profile"

_SHARED = ("observers", "cache")
"""What a profile has from outside if it says nothing of it. A store is never shared unsaid."""

Parts: TypeAlias = dict[str, tuple[object, Place]]
"""What the user wrote of each part, and where."""

_PLACE = re.compile(r"\(at [^()]*\)\Z")
"""Where a text is not TOML, at the end of tomllib's message."""


def read_text(config: str | os.PathLike[str]) -> str:
    """Read a config file.

    Raises:
        ConfigError: it cannot be read, or is no text.
    """
    path = Path(config)
    if "://" in str(config):  # not shown: it may hold a secret
        raise ConfigError(
            "config is the path of a TOML file, and this is a URI; give it as kek or storage, or "
            "in KMS_KEK_URI or KMS_STORAGE_URI"
        )
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors write a mark
    except OSError as error:
        problem = f"{path}: cannot read it: {error.strerror}; `kms init` writes one"
    except UnicodeDecodeError:
        problem = f"{path}: it is not UTF-8 text"
    except UnicodeEncodeError:
        problem = "config is not the path of a file"
    except ValueError:
        problem = f"{str(path)!r}: it is not a file that can be read as TOML"
    raise ConfigError(problem)  # not above: those errors may carry the document


def parse_text(text: str, path: Path) -> dict[str, object]:
    """Read TOML.

    Raises:
        ConfigError: it is none.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))  # and no more of it: it may name what is secret
        problem = f"{path}: it is not TOML {place[0] if place else ''}"
    except (ValueError, RecursionError):
        problem = f"{str(path)!r}: it is not a file that can be read as TOML"
    raise ConfigError(problem)  # not above: those errors may carry the document


def read_profiles(document: Mapping[str, object], path: Path) -> dict[str, Mapping[str, object]]:
    """The profiles of a config file, by name.

    Raises:
        ConfigError: they are no tables.
    """
    profiles = document.get(PROFILE, {})
    if isinstance(profiles, Mapping) and all(isinstance(p, Mapping) for p in profiles.values()):
        return dict(profiles)
    raise ConfigError(
        f"{path}: {PROFILE} holds tables; write [{PROFILE}.NAME.kek] and [{PROFILE}.NAME.storage]"
    )


def choose_parts(document: Mapping[str, object], path: Path, profile: str | None) -> Parts:
    """The parts of a profile, or those outside of all profiles.

    Raises:
        ConfigError: a table is unknown, or there is no such profile.
    """
    refuse_unknown(str(path), "table", document, [*PARTS, PROFILE])
    top = Place(path.absolute().parent, path)
    profiles = read_profiles(document, path)
    if profile is None:
        return _parts(document, PARTS, top)
    if profile not in profiles:
        there = f"it has {', '.join(profiles)}" if profiles else "it has no profile"
        raise ConfigError(f"{path}: there is no profile {profile!r}; {there}")
    chosen, place = profiles[profile], top.at(PROFILE, profile)
    refuse_unknown(str(place), "table", chosen, PARTS)
    return _parts(document, _SHARED, top) | _parts(chosen, PARTS, place)


def _parts(tables: Mapping[str, object], parts: tuple[str, ...], place: Place) -> Parts:
    return {part: (tables[part], place.at(part)) for part in parts if part in tables}
