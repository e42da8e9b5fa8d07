"""What the user asked for of the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from kms_core._config.unknown import refuse_unknown
from kms_core.errors import ConfigError

_NAMES = ("ttl", "maxUses", "maxEntries", "staleOnOutage")


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """How long DEKs are kept in memory, and how many.

    Attributes:
        ttl: seconds from the reading of a DEK in which it is given out again.
        max_uses: how often it is given out until it is read again; None for any number.
        max_entries: how many DEKs there are at most.
        stale_on_outage: seconds by which one outlives its ttl while it cannot be read.
    """

    ttl: float
    max_uses: int | None = None
    max_entries: int = 1000
    stale_on_outage: float = 0

    def named(self) -> dict[str, float]:
        """What was asked for, by its names in the configuration."""
        values = (self.ttl, self.max_uses, self.max_entries, self.stale_on_outage)
        pairs = zip(_NAMES, values, strict=True)
        return {name: value for name, value in pairs if value is not None}


def choose_cache(value: object, where: str) -> CacheSettings | None:
    """Read what the user wrote of the cache; None if that is none.

    Args:
        value: a table or mapping.
        where: what it stands in, for the message.

    Raises:
        ConfigError: it is malformed.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is a table, such as {{ttl = 300}}, in Python a mapping")
    refuse_unknown(where, "parameter", map(str, value), _NAMES)
    ttl = _seconds(value.get("ttl"), f"{where}: ttl")
    settings = CacheSettings(
        ttl=ttl,
        max_uses=_count(value.get("maxUses"), f"{where}: maxUses"),
        max_entries=_count(value.get("maxEntries", 1000), f"{where}: maxEntries") or 1000,
        stale_on_outage=_seconds(value.get("staleOnOutage", 0), f"{where}: staleOnOutage"),
    )
    return settings if ttl else None


def _seconds(value: object, name: str) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
    if isfinite(number) and number >= 0:
        return number
    raise ConfigError(f"{name} is a number of seconds, such as 300; give one, not below 0")


def _count(value: object, name: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ConfigError(f"{name} is a whole number, such as 1000; give one, not below 1")
