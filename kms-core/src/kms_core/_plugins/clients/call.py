"""What all kinds of clients share: the call of a hook, checked, told of and located."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Generic, Literal, NamedTuple, ParamSpec, TypeAlias, TypeVar, cast

from kms_core._events import Observers, observe_hook
from kms_core._plugins.clients.leaving import find_failure
from kms_core._plugins.clients.workers import OPERATION_END, Workers, seconds_left
from kms_core._plugins.contract import Hooks
from kms_core._values import KekInfo, Risk, WrappedDek
from kms_core.backend.hookspecs import BackendSpec
from kms_core.errors import AuthenticationError, BackendContractError, ClosedError, KmsError

P = ParamSpec("P")
T = TypeVar("T")
SpecT = TypeVar("SpecT", bound=BackendSpec)

Operation: TypeAlias = Literal[
    "wrap_dek",
    "wrap_dek_under",
    "unwrap_dek",
    "derive_dek",
    "describe_kek",
    "rewrap_dek",
    "find_key_material",
    "rotate_kek",
    "rotation_command",
    "unwrap_foreign",
    "check_health",
    "find_risks",
    "load_record",
    "create_record",
    "replace_record",
    "delete_record",
    "list_dek_ids",
    "count_old_records",
    "list_objects",
    "load_object",
    "describe_storage",
    "observe_start",
    "observe",
    "close",
]
"""The hooks' names, as errors and events tell them."""


class Opening(NamedTuple):
    """How a backend was opened.

    Attributes:
        reopen: opens it once more, with what its parameters say by now.
        workers: make its calls, where these have a deadline.
    """

    reopen: Callable[[], Hooks] | None
    workers: Workers | None


NOT_KNOWN = Opening(None, None)
"""Of a backend that somebody else opened, and opens again."""


class Client(Generic[SpecT]):
    """What all kinds share.

    Args:
        backend: ``kms://NAME``, ``storage://NAME`` or ``observer://NAME``.
        distribution: name and version of the distribution that ships it.
        hooks: the backend's methods, as pluggy has checked them.
        observers: who is told of each call.
        opening: how it was opened, where that is known.
    """

    def __init__(
        self,
        backend: str,
        distribution: str,
        hooks: Hooks,
        observers: Observers = (),
        opening: Opening = NOT_KNOWN,
    ) -> None:
        self.backend = backend
        self.distribution = distribution
        # They have no types; a backend has the hooks of the spec, and core calls no others.
        self._hooks = cast("SpecT", hooks)
        self._observers = observers
        self._reopen, self._workers = opening
        self._renewing = threading.Lock()
        self._closed = False

    @property
    def workers(self) -> Workers | None:
        """Those who make its calls, unless observers hear of each in its caller's thread."""
        return None if self._observers else self._workers

    def offers(self, operation: Operation) -> bool:
        """Whether the backend has this hook, which is optional."""
        return hasattr(self._hooks, operation)

    def renew(self, failed: Callable[..., object], operation: Operation) -> bool:
        """Open the backend again, with the credentials that are there now.

        Args:
            failed: the hook that said that its credentials are not accepted.
            operation: the hook's name.

        Returns:
            Whether there is another hook to call; whoever comes first opens it for all.

        Raises:
            KmsError: it cannot be opened now.
        """
        if self._reopen is None:
            return False
        with self._renewing:
            if getattr(self._hooks, operation) is failed:
                self._hooks = cast("SpecT", self._reopen())
        return True

    def close(self) -> None:
        """Close the backend; a second time does nothing."""
        if not self._closed:
            try:
                self._call("close", self._hooks.close, type(None), None)
            finally:
                self._closed = True
                if self._workers is not None:
                    self._workers.dismiss()

    @contextmanager
    def only_kms_errors(self, operation: Operation, dek_id: str | None) -> Iterator[None]:
        """Let nothing out of the block but a KmsError that says where it happened.

        What somebody else raised meanwhile, such as a time limit, passes as it is.
        """
        handled = sys.exception()
        try:
            yield
            return
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised below
            failure = self._failure(error, handled, operation, dek_id)
        raise failure

    def _call(
        self,
        operation: Operation,
        hook: Callable[P, T],
        kind: type[T],
        dek_id: str | None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a hook; once more where its credentials were not accepted, and others may be there.

        What somebody else raised meanwhile, such as a time limit, passes as it is.

        Raises:
            KmsError: what the backend raised, located.
            BackendContractError: it raised anything else, or returned another type.
            ClosedError: it was closed.
        """
        # Without observers, as in most programs: this is on the path of every DEK.
        ask = self._observed if self._observers else self._answer
        try:
            return ask(operation, partial(hook, *args, **kwargs), kind, dek_id)
        except AuthenticationError:
            if not self.renew(hook, operation):
                raise
        hook = getattr(self._hooks, operation)
        return ask(operation, partial(hook, *args, **kwargs), kind, dek_id)

    def _observed(
        self, operation: Operation, call: partial[T], kind: type[T], dek_id: str | None
    ) -> T:
        with observe_hook(self._observers, operation, self.backend, dek_id) as told:
            answer = self._answer(operation, call, kind, dek_id)
            for names in (call.keywords.get("wrapped"), answer):
                if isinstance(names, (WrappedDek, KekInfo)):
                    told.note_kek(names)
            return answer

    def _answer(
        self, operation: Operation, call: Callable[[], T], kind: type[T], dek_id: str | None
    ) -> T:
        if self._closed:
            raise self._located(ClosedError("it is closed; open it again"), operation, dek_id)
        handled = sys.exception()
        try:  # as in only_kms_errors, which would be slow here
            result = self._run(call, operation, dek_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised below
            failure = self._failure(error, handled, operation, dek_id)
        else:
            if isinstance(result, kind):
                return result
            failure = self._wrong_type(result, kind, operation, dek_id)
        raise failure

    def _run(self, call: Callable[[], T], operation: Operation, dek_id: str | None) -> T:
        if self._workers is not None:
            return self._workers.run(call, lambda e: self._located(e, operation, dek_id))
        if OPERATION_END.get() is not None:
            seconds_left(inf)  # a call that is not bounded itself does not begin too late
        return call()

    def _failure(
        self,
        error: Exception,
        handled: BaseException | None,
        operation: Operation,
        dek_id: str | None,
    ) -> BaseException:
        failure = find_failure(
            error, handled, "", lambda problem: self._broken(problem, operation, dek_id)
        )
        if isinstance(failure, KmsError):
            self._located(failure, operation, dek_id)
        return failure

    def _only_risks(self, found: list[Risk]) -> list[Risk]:
        for one in found:
            if not isinstance(one, Risk):
                raise self._wrong_type(one, Risk, "find_risks", None)
        return found

    def _wrong_type(
        self, result: object, kind: type, operation: Operation, dek_id: str | None
    ) -> KmsError:
        problem = f"{operation} returned {type(result).__name__} instead of {kind.__name__}"
        return self._broken(problem, operation, dek_id)

    def _broken(self, problem: str, operation: Operation, dek_id: str | None) -> KmsError:
        message = f"{self.distribution}: {problem}; report it to the plugin's author"
        return self._located(BackendContractError(message), operation, dek_id)

    def _located(self, error: KmsError, operation: Operation, dek_id: str | None) -> KmsError:
        error.locate(backend=self.backend, operation=operation, dek_id=dek_id)
        return error
