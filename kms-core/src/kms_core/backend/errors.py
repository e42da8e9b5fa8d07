"""What the errors of an SDK mean, as a table, and the block that translates them.

Around one call of an SDK three steps can fail: finding credentials, the call, and reading its
reply. Give each step a block and a table of its own. A table lists the SDK's error classes that it
translates: whatever else is raised in the block is a programming error, and stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeAlias

from kms_core._values import WrappedDek
from kms_core.errors import (
    AccessDeniedError,
    KekNotFoundError,
    KmsError,
    OperationError,
    UnwrapError,
    show_name,
)

Clue: TypeAlias = str | int | type[BaseException]
"""What an error is looked up by: a code of the service, a status, or a class of the SDK."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one clue means in kms-core.

    Attributes:
        kind: the error to raise.
        cure: what the user is to do; it may name parameters, and holds nothing secret.
        maybe_missing: with AccessDeniedError: the service says the same of a missing record.
        code: what ``kms doctor`` calls it, such as ``DNS``, where the kind says less.
    """

    kind: type[KmsError]
    cure: str = ""
    maybe_missing: bool = False
    code: str = ""

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anybody's help."""
        return self.kind.retryable

    def error(self, happening: str) -> KmsError:
        """The error to raise. An UnwrapError gives no reason, whatever has happened."""
        if self.kind is UnwrapError:
            return UnwrapError()
        message = f"{happening}: {self.cure}"
        denied = AccessDeniedError(message, maybe_missing=True)
        error = denied if self.maybe_missing else self.kind(message)
        error.cure, error.code = self.cure, self.code
        return error


_REFUSED = Meaning(OperationError, "the service refused the call; look the code up in its pages")


def by_class(error: BaseException) -> Iterator[Clue]:
    """Yield the error's classes, the nearest first."""
    yield from type(error).__mro__


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What the errors of an SDK mean in one step of a call.

    Attributes:
        errors: the SDK's classes of errors that are translated; nothing else is.
        meanings: what each clue means.
        find_clues: yields what an error is looked up by, the most telling clue first.

    Example::

        class Refused(Exception):  # of our own: an answer over HTTP whose status is not 2xx
            def __init__(self, status: int, code: str) -> None:
                super().__init__(f"HTTP {status} {code}")
                self.status, self.code = status, code


        def find_clues(error: Exception) -> Iterator[Clue]:
            if isinstance(error, Refused):  # the service's own code says most, 5 is any 5xx
                yield from (error.code, error.status, error.status // 100)
            yield from (type(inner) for inner in inner_errors(error))
            yield from type(error).__mro__


        AWAY = Meaning(UnavailableError, "no answer of the service's; check endpoint and network")
        CALL = ErrorTable(
            (Refused, urllib3.exceptions.HTTPError),
            {
                "NoSuchRecord": Meaning(DekNotFoundError, "no record of this dek_id is stored"),
                403: Meaning(AccessDeniedError, "allow records:read to this client"),
                429: Meaning(ThrottledError, "the service asks to slow down; try again later"),
                5: AWAY,
                urllib3.exceptions.HTTPError: AWAY,
                ConnectionRefusedError: Meaning(
                    UnavailableError, "nobody listens there; correct endpoint, or start the service"
                ),
            },
            find_clues,
        )
    """

    errors: tuple[type[Exception], ...]
    meanings: Mapping[Clue, Meaning]
    find_clues: Callable[[Any], Iterable[Clue]] = by_class

    def but(self, meanings: Mapping[Clue, Meaning]) -> ErrorTable:
        """This table with other meanings for some clues."""
        return replace(self, meanings={**self.meanings, **meanings})

    def look_up(self, error: Exception) -> tuple[str, Meaning]:
        """The name of the clue that tells most, and what the error means."""
        clues = [*self.find_clues(error), type(error)]
        known = (self.meanings[clue] for clue in clues if clue in self.meanings)
        first = clues[0]
        name = first.__name__ if isinstance(first, type) else _shown_code(str(first))
        return name, next(known, _REFUSED)


_LONGEST_CODE = 200


def _shown_code(code: str) -> str:
    """A service's code in one short line, for what answers need not be the service."""
    return "".join(c if c.isprintable() else "?" for c in code[:_LONGEST_CODE])


def check_kek(
    wrapped: WrappedDek,
    kek_id: str,
    algorithm: str | None = None,
    versions: Container[str] | None = None,
) -> None:
    """Compare the names on a wrapped DEK with the configured KEK, before any call.

    Args:
        wrapped: names the KEK that wrapped.
        kek_id: the configured KEK's full name.
        algorithm: the one that it wraps by, if there is only one.
        versions: those that it has, where the backend knows them.

    Raises:
        KekNotFoundError: another KEK wrapped, or a version that is not there.
        UnwrapError: another algorithm is written on it.
    """
    if wrapped.kek_id != kek_id:
        raise KekNotFoundError(
            f"it is wrapped by the KEK {show_name(wrapped.kek_id)}, and {kek_id!r} is configured; "
            "configure the KEK that wrapped it",
            configured=kek_id,
        )
    if algorithm not in {None, wrapped.algorithm}:
        raise UnwrapError
    if versions is not None and wrapped.kek_version not in versions:
        raise KekNotFoundError(
            f"it is wrapped by version {show_name(wrapped.kek_version)} of the KEK, which has no "
            "such version; restore that version, or the record if it was altered"
        )


class translate_errors(AbstractContextManager[None]):  # noqa: N801 -- it is called like a function
    """Around one step of a call: raise what the SDK's error means, ``from`` that error.

    Args:
        table: what the errors of this step mean.
        action: what is done, in the service's own word for the permission that it needs.
        resource: what it is done to; holds no credential.

    Raises:
        KmsError: what the table says of the SDK's error.
    """

    # A class, because a generator costs twice that, on the path of every DEK.
    __slots__ = ("_action", "_resource", "_table")

    def __init__(self, table: ErrorTable, action: str, resource: str) -> None:
        self._table, self._action, self._resource = table, action, resource

    def __enter__(self) -> None:
        """Nothing is done before the step."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and isinstance(error, self._table.errors):
            name, meaning = self._table.look_up(error)
            raise meaning.error(f"{self._action} on {self._resource}: {name}") from error
