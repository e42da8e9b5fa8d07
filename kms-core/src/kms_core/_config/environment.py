"""The environment variables that say what to open."""

from __future__ import annotations

import os

from kms_core.errors import ConfigError

VARIABLES = {
    "config": "KMS_CONFIG",
    "profile": "KMS_PROFILE",
    "kek": "KMS_KEK_URI",
    "storage": "KMS_STORAGE_URI",
}
"""Part of the configuration → the variable that gives it."""

CREATE_DEKS_VARIABLE = "KMS_CREATE_DEKS"

_SWITCH = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


def read_environment() -> dict[str, str]:
    """The parts that the environment gives. One that is empty is not given."""
    given = {part: os.environ.get(name, "").strip() for part, name in VARIABLES.items()}
    return {part: value for part, value in given.items() if value}


def environment_may_create() -> bool:
    """Whether the environment lets DEKs be made. It can forbid what a config allows, that is all.

    Raises:
        ConfigError: the variable says something else than true or false.
    """
    return read_switch(os.environ.get(CREATE_DEKS_VARIABLE) or True, CREATE_DEKS_VARIABLE)


def read_switch(value: object, name: str) -> bool:
    """Read true or false, as a config file, a URI or the environment has it.

    Raises:
        ConfigError: it is something else.
    """
    switch = value.lower() if isinstance(value, str) else value
    if isinstance(switch, (str, bool)) and switch in _SWITCH:
        return _SWITCH[switch]
    raise ConfigError(f"{name} is neither true nor false")
