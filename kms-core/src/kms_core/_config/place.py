"""Where something stands in a config file, and what environment variables put there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from kms_core.errors import ConfigError

Names: TypeAlias = tuple[str | int, ...]
"""The way to a value from the top of the file: names of keys, and places in lists from 0."""

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{")
"""An escaped ``${``, a variable with its default, and a ``${`` that is neither."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user wrote something.

    Attributes:
        folder: where a relative path starts.
        file: the config file; None if it is no file, in which case no variable is read.
        names: the way to it in that file.
    """

    folder: Path = Path()
    file: Path | None = None
    names: Names = ()

    def at(self, *names: str | int) -> Place:
        """A place below this one."""
        return replace(self, names=(*self.names, *names))

    def fill(self, value: Any) -> Any:
        """Put the environment's variables into each text of the value.

        Raises:
            ConfigError: one is not set and has no default; no value is shown.
        """
        if self.file is None:
            return value
        if isinstance(value, str):
            return _VARIABLE.sub(self._fill_one, value)
        if isinstance(value, Mapping):
            return {name: self.at(name).fill(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.at(number).fill(one) for number, one in enumerate(value)]
        return value

    def _fill_one(self, found: re.Match[str]) -> str:
        name, default = found.groups()
        if found[0] == "$${":
            return "${"
        if name is None:
            raise ConfigError(f"{self}: write ${{NAME}} or ${{NAME:-DEFAULT}}, or $${{ for ${{")
        value = os.environ.get(name, "").strip() or default
        if value is None:
            raise ConfigError(
                f"{self}: the environment variable {name} is not set, or is empty; set it, or "
                f"write ${{{name}:-DEFAULT}}"
            )
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise ConfigError(f"{self}: the environment variable {name} is not UTF-8 text")
        return value

    def __str__(self) -> str:
        steps = (f"[{n + 1}]" if isinstance(n, int) else f".{n}" for n in self.names)
        return f"{self.file}: {''.join(steps).removeprefix('.')}"
