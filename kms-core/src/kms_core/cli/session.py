"""What one run of ``kms`` was told to open: by options, by the environment or by ./kms.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kms_core import ConfigError, Kek, Kms, open_kek, open_kms
from kms_core._config.choices import Choices, load_choices
from kms_core._config.environment import VARIABLES, read_environment

CONFIG_FILE = "kms.toml"


@dataclass(frozen=True, slots=True)
class Sources:
    """A config file, and the URIs that replace parts of it.

    Attributes:
        values: ``config``, ``profile``, ``kek`` and ``storage``, as far as they are given.
        kind: who gave them: ``option``, ``environment`` or ``default``.
    """

    values: Mapping[str, Any] = field(repr=False)
    kind: str

    @property
    def config(self) -> str | None:
        """The config file's path."""
        return self.values.get("config")

    def origin(self, part: str) -> str:
        """Where ``kek``, ``storage`` or ``observers`` is read from, in words."""
        if part not in self.values:
            profile = f", profile {self.values['profile']}" if "profile" in self.values else ""
            return f"{Path(self.config).absolute()}{profile}" if self.config else "default"
        return f"option --{part}" if self.kind == "option" else f"environment {VARIABLES[part]}"

    def open(self, **others: str) -> Kms:
        """Open the KEKs and the storage that they name, or others in place of these."""
        return open_kms(**{**self.values, **others})

    def open_kek(self) -> Kek:
        """Open the KEKs alone."""
        return open_kek(**{part: v for part, v in self.values.items() if part != "storage"})

    def choices(self) -> Choices:
        """What they name, unopened."""
        return load_choices(**self.values)


@dataclass(slots=True)
class Session:
    """The options of the group, for its commands."""

    debug: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def sources(self) -> Sources:
        """The options; or else the environment; or else ./kms.toml if it is there."""
        values = {part: value for part, value in self.options.items() if value is not None}
        profile = {"profile": values.pop("profile")} if "profile" in values else {}
        sources = _checked(values, "option") if values else environment()
        return replace(sources, values={**sources.values, **profile})


def environment() -> Sources:
    """What is opened when no option is given."""
    values = read_environment()
    if values.keys() - {"profile"}:
        return _checked(values, "environment")
    if os.path.lexists(CONFIG_FILE):
        values["config"] = CONFIG_FILE
    return Sources(values, "default")


def _checked(values: Mapping[str, Any], kind: str) -> Sources:
    if "://" in values.get("config", ""):  # as a path, its secrets would stand in error messages
        raise ConfigError("the config is a path, not a URI; give a URI by --kek or --storage")
    return Sources(values, kind)
