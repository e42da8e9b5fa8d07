"""``storage://no-store``: says that there is no storage."""

from __future__ import annotations

from kms_core import ConfigError
from kms_core.builtin.memory import MemoryStorage


class NoStore(MemoryStorage):
    """Refuses to be opened. It has a storage's hooks only to be listed and checked like one."""

    def __init__(self, _config: MemoryStorage.Config) -> None:
        raise ConfigError(
            "a KEK that wraps DEKs needs a storage for them; name one, "
            "such as storage=storage://file?path=deks"
        )
