"""The environment variables that say what to open."""

from __future__ import annotations

import os

VARIABLES = {"config": "KMS_CONFIG", "kek": "KMS_KEK_URI", "storage": "KMS_STORAGE_URI"}
"""Part of the configuration → the variable that gives it."""


def read_environment() -> dict[str, str]:
    """The parts that the environment gives. One that is empty is not given."""
    return {part: os.environ[name] for part, name in VARIABLES.items() if os.environ.get(name)}
