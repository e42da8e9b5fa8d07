"""What is measured of kms-core on every cloud."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any

DEK_ID = "volume-42"


def ours(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """Reads and creates through the façade."""
    import kms_core

    kms = kms_core.open_kms(settings["kek"], settings["storage"])
    kms.get_dek(DEK_ID, create=True)
    numbers = count()
    return {
        "kms-core read": lambda: kms.get_dek(DEK_ID),
        "kms-core create": lambda: kms.create_dek(f"ours-{os.getpid()}-{next(numbers)}"),
    }
