"""What the service's refusals mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from urllib3.exceptions import HTTPError

from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import Clue, ErrorTable, Meaning


class RefusalError(Exception):
    """An answer that is none of success."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(f"HTTP {status} {code}".strip())
        self.status, self.code = status, code


def _clues(error: Exception) -> Iterator[Clue]:
    if isinstance(error, RefusalError):
        yield from (error.code, error.status, error.status // 100)
    yield from type(error).__mro__


_AWAY = Meaning(UnavailableError, "no answer, or none of the service's; check endpoint and network")
_COMMON: Mapping[Clue, Meaning] = {
    HTTPError: _AWAY,
    5: _AWAY,
    3: _AWAY,
    401: Meaning(AccessDeniedError, "the token is refused; check clientId and clientSecret"),
    403: Meaning(AccessDeniedError, "allow it to this client"),
    429: Meaning(ThrottledError, "the service asks to slow down; try again later"),
}
TOKEN = ErrorTable((HTTPError, RefusalError), _COMMON, _clues)
KEK = TOKEN.but(
    {
        "NoSuchKey": Meaning(KekNotFoundError, "there is no such KEK or version; check keyName"),
        "KeyDisabled": Meaning(KekDisabledError, "the KEK is disabled; enable it"),
        "BadCiphertext": Meaning(UnwrapError),
    }
)
STORAGE = TOKEN.but(
    {
        "NoSuchFolder": Meaning(ConfigError, "there is no such folder; create it, or check folder"),
        "NoSuchRecord": Meaning(DekNotFoundError, "no record of this dek_id is stored"),
        "Changed": Meaning(ConflictError, "the record has changed since; read it again"),
        "Full": Meaning(ThrottledError, "the folder is full; free some room, or try again later"),
        "Exists": Meaning(DekExistsError, "a record of this dek_id is already stored"),
    }
)
