"""Tries out whether a store honours the conditions of a write, on which every DEK depends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import randbelow

from kms_core import ConfigError, ConflictError, DekExistsError, DekNotFoundError

_PLACES = 256
_TEXT = b"kms-core finds out here whether the store honours conditional writes.\n"
_CONDITIONS: Mapping[str, Mapping[str, str]] = {
    "If-None-Match": {"IfNoneMatch": "*"},
    "If-Match": {"IfMatch": f'"{"0" * 32}"'},
}


class Probe:
    """Tries each condition once for each client, before it is first relied upon.

    Some stores take one write of an object a second, so that a single object would hold up a fleet;
    and one for each client would be too many, since kms-core may not delete. So each client takes
    one of 256, none of which can be a record: those end in ``.json``.

    Args:
        where: the bucket, for messages.
        put: writes to the object of this name, under the condition given.
    """

    def __init__(self, where: str, put: Callable[..., object]) -> None:
        self._where, self._put = where, put
        self._name = f"kms-core.conditional-write-probe-{randbelow(_PLACES):02x}"
        self._honoured: set[str] = set()

    def require_create(self) -> None:
        """Raise :class:`ConfigError` if the store overwrites in spite of ``If-None-Match``."""
        self._require("If-None-Match", attempts=2)  # the first may put the object there

    def require_replace(self) -> None:
        """Raise :class:`ConfigError` if the store overwrites in spite of ``If-Match``."""
        self.require_create()  # so that it is there: S3 may deny what is missing
        self._require("If-Match", attempts=1)

    def _require(self, header: str, attempts: int) -> None:
        if header in self._honoured:
            return
        if not any(self._is_refused(header) for _ in range(attempts)):
            raise ConfigError(
                f"{self._where}: the store ignores {header}, so two clients that write at once "
                "would lose a DEK; use a store that honours conditional writes, or accept the risk "
                "with allowUnconditionalCreate=true"
            )
        self._honoured.add(header)

    def _is_refused(self, header: str) -> bool:
        try:
            self._put(self._name, _TEXT, **_CONDITIONS[header])
        except (DekExistsError, DekNotFoundError, ConflictError):
            return True
        return False
