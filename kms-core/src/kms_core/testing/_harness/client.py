"""A backend under test, bound as core binds it, and the words for a clause that it breaks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from math import inf
from typing import Any, Literal, TypeAlias, TypeVar

import pytest

from kms_core._plugins.clients import bind
from kms_core._plugins.clients.call import NOT_KNOWN, Opening
from kms_core._plugins.clients.workers import Workers
from kms_core._racing import RACERS
from kms_core.backend.hookspecs import BackendSpec
from kms_core.backend.parameters import ServiceConfig
from kms_core.errors import KmsError
from kms_core.testing._harness.harness import meanings

T = TypeVar("T")
_MOST_CALLS = 4 * RACERS  # at once, some of which hang
_TO_CLOSE = 300.0  # seconds
Scheme: TypeAlias = Literal["kms", "storage", "observer"]
ErrorKind: TypeAlias = type[KmsError] | tuple[type[KmsError], ...]


class Client:
    """One opened client of the service under test, bound as core binds it.

    Args:
        plugin: the backend.
        scheme: of its URI.
        deadline: seconds after which core ends a call, if Config derives from ServiceConfig;
            without one it is seen whether the client ends it by itself.

    Attributes:
        plugin: the backend itself.
        bound: what core calls it through. The checks name hooks by text, as their messages do.
    """

    def __init__(self, plugin: BackendSpec, scheme: Scheme, deadline: float = inf) -> None:
        self.plugin = plugin
        self.backend = f"{scheme}://under-test"
        opening = NOT_KNOWN
        if deadline < inf and self.has_deadline:
            opening = Opening(None, Workers(_MOST_CALLS, deadline))
        source = type(plugin).__module__
        self.bound: Any = bind(self.backend, plugin, source, opening=opening)

    @property
    def has_deadline(self) -> bool:
        """Whether core ends its calls at a deadline."""
        return issubclass(self.plugin.Config, ServiceConfig)

    def call(self, operation: str, /, **arguments: Any) -> Any:
        """Call a hook through core."""
        return getattr(self.bound, operation)(**arguments)

    def close(self) -> None:
        """Close it through core. The deadline was for calls that hang: this one has time."""
        if self.bound.workers is not None:
            self.bound.workers.deadline = _TO_CLOSE
        self.bound.close()

    def answer(self, operation: str, when: str = "", /, **arguments: Any) -> Any:
        """Call a hook that has to answer."""
        return answered(f"{operation} {when}".strip(), partial(self.call, operation, **arguments))

    def refuse(self, kind: ErrorKind, operation: str, when: str, /, **arguments: Any) -> KmsError:
        """Call a hook that has to raise an error of this kind, and say where it happened."""
        clause = f"{operation} {when}"
        error = refused(kind, clause, partial(self.finish, operation, **arguments))
        dek_id = arguments.get("dek_id", arguments.get("context", {}).get("dek_id"))
        expect(
            f"{clause}: the error's backend, operation and dek_id",
            (self.backend, operation, dek_id),
            (error.backend, error.operation, error.dek_id),
        )
        return error

    def finish(self, operation: str, /, **arguments: Any) -> Any:
        """Call a hook, and read what it yields to its end."""
        if operation in {"list_dek_ids", "list_objects"}:
            return list(self.call(operation, **arguments))
        return self.call(operation, **arguments)

    def list_ids(self, prefix: str = "") -> list[str]:
        """All ids that ``list_dek_ids`` yields."""
        clause = f"list_dek_ids with prefix {prefix!r}"
        ids: list[str] = answered(clause, partial(self.finish, "list_dek_ids", prefix=prefix))
        return ids


Fresh: TypeAlias = Callable[[], Client]
"""Opens another client of the same service."""


@contextmanager
def clients(
    open_backend: Callable[[], BackendSpec], scheme: Scheme, deadline: float = inf
) -> Iterator[Fresh]:
    """Yield what opens clients; close them all at the end."""
    with ExitStack() as opened:

        def fresh() -> Client:
            client = Client(open_backend(), scheme, deadline)
            opened.callback(client.close)
            return client

        yield fresh


def answered(clause: str, call: Callable[[], T]) -> T:
    """Return what the call returns; a KmsError breaks the clause."""
    try:
        return call()
    except KmsError as error:
        raise AssertionError(f"{clause}: expected an answer, saw {shown(error)}") from error


def refused(kind: ErrorKind, clause: str, call: Callable[[], object]) -> KmsError:
    """Return the error that the call raises; another one or an answer breaks the clause."""
    expected = named(kind)
    try:
        seen = call()
    except kind as error:
        return error
    except KmsError as error:
        raise AssertionError(f"{clause}: expected {expected}, saw {shown(error)}") from error
    raise AssertionError(f"{clause}: expected {expected}, saw an answer: {shown(seen)}")


def expect(clause: str, expected: object, seen: object) -> None:
    """Fail unless the two are equal."""
    if expected != seen:
        raise AssertionError(f"{clause}: expected {shown(expected)}, saw {shown(seen)}")


def named(kind: ErrorKind) -> str:
    """The names of the error classes that are allowed."""
    return " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))


def shown(value: object) -> str:
    """What a message shows of a value; of bytes, which may be a DEK, only a digest."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes (SHA-256 {hashlib.sha256(value).hexdigest()[:8]}…)"
    if isinstance(value, KmsError):
        return f"{type(value).__name__}: {value}"
    return repr(value)


def skip_without(harness: object, name: str, value: object = None) -> Any:
    """What the harness has of this name; without it, or a value from elsewhere, skip the check."""
    __tracebackhide__ = True  # pytest names the check as the place
    found = value or getattr(harness, name)
    if not found:
        meaning = meanings(type(harness))[name]
        pytest.skip(f"give the harness {name} to check this clause; it {meaning}")
    return found
