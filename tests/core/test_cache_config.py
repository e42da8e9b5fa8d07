"""What a configuration says of the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import kms_core
from kms_core._config.cache import CacheSettings
from kms_core._config.choices import load_choices


def chosen(cache: Any, config: Path | None = None) -> CacheSettings | None:
    return load_choices(kek="kms://local", cache=cache, config=config).cache


def test_what_is_not_said() -> None:
    assert chosen(None) is None
    assert chosen({"ttl": 300}) == CacheSettings(300, None, 1000, 0)


def test_all_of_it() -> None:
    given = {"ttl": 0.5, "maxUses": 9, "maxEntries": 1, "staleOnOutage": 60}
    assert chosen(given) == CacheSettings(0.5, 9, 1, 60)


def test_a_file_has_it_too_and_an_argument_replaces_it(tmp_path: Path) -> None:
    config = tmp_path / "kms.toml"
    config.write_text("[cache]\nttl = 60\nmaxUses = 5\n")
    assert chosen(None, config) == CacheSettings(60, 5)
    assert chosen({"ttl": 30}, config) == CacheSettings(30)
    assert chosen({"ttl": 0}, config) is None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (300, "is a table"),
        ({}, "ttl is a number of seconds"),
        ({"ttl": -1}, "ttl is a number of seconds"),
        ({"ttl": "300"}, "ttl is a number of seconds"),
        ({"ttl": True}, "ttl is a number of seconds"),
        ({"ttl": False}, "ttl is a number of seconds"),
        ({"ttl": float("nan")}, "ttl is a number of seconds"),
        ({"ttl": 1, "maxUses": 0}, "maxUses is a whole number"),
        ({"ttl": 1, "maxUses": 1.5}, "maxUses is a whole number"),
        ({"ttl": 1, "maxUses": True}, "maxUses is a whole number"),
        ({"ttl": 1, "maxEntries": 0}, "maxEntries is a whole number"),
        ({"ttl": 1, "staleOnOutage": float("inf")}, "staleOnOutage is a number of seconds"),
        ({"ttl": 1, "max_uses": 1}, "did you mean 'maxUses'"),
    ],
)
def test_what_is_wrong(wrong: Any, problem: str) -> None:
    with pytest.raises(kms_core.ConfigError, match=problem):
        chosen(wrong)
