"""Binds one backend to its hookspec through pluggy, and calls it.

pluggy lets every plugin answer, with as few of the arguments as it likes. A KEK needs exactly
one answer, made from all the arguments, so the class is checked before it is used.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, get_origin, get_type_hints

import pluggy

from kms_core.errors import BackendContractError, ClosedError, KmsError
from kms_core.hookspecs import PROJECT, BackendSpec
from kms_core.observing import Observer, observed
from kms_core.types import Event


def check_contract(plugin: type, spec: ABCMeta, distribution: str) -> None:
    """Raise :class:`BackendContractError` unless the class implements every hook as specified."""
    try:
        hooks = _registered(plugin, spec)
    except pluggy.PluginValidationError as error:
        # pluggy's last two lines name the hook and what is wrong with it.
        lines = str(error).splitlines()[-2:]
        raise _violation(plugin, distribution, "; ".join(lines)) from error
    for name in _hook_names(spec):
        problem = _hook_problem(plugin, name, getattr(hooks, name))
        if problem is not None:
            raise _violation(plugin, distribution, problem)


def _registered(plugin: object, spec: ABCMeta) -> Any:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(spec)
    manager.register(plugin)
    manager.check_pending()
    return manager.hook


def _hook_names(spec: ABCMeta) -> list[str]:
    return sorted(spec.__abstractmethods__)


def _hook_problem(plugin: type, name: str, caller: pluggy.HookCaller) -> str | None:
    implementations = caller.get_hookimpls()
    method = getattr(plugin, name, None)
    if method is None or (getattr(method, "__isabstractmethod__", False) and not implementations):
        return f"it does not implement {name}"
    if not implementations:
        return f"{name} lacks the @hookimpl decorator"
    if len(implementations) > 1:
        return f"{name} is implemented {len(implementations)} times; exactly one may answer"
    [implementation] = implementations
    if implementation.wrapper or implementation.hookwrapper:
        return f"{name} is a wrapper; only core may see a call from outside"
    expected = caller.spec.argnames if caller.spec else ()
    missing = [a for a in expected if a not in implementation.argnames]
    if missing:
        return f"{name} leaves out {', '.join(missing)}; it must take ({', '.join(expected)})"
    return None


def _violation(plugin: type, distribution: str, problem: str) -> BackendContractError:
    return BackendContractError(
        f"{plugin.__module__}.{plugin.__qualname__} of {distribution} breaks the hookspec: "
        f"{problem}; report it to the plugin's author, or use another version of it"
    )


class Bound:
    """One opened backend. Calls its hooks, checks what they return, and says where they fail."""

    def __init__(
        self,
        backend: str,
        distribution: str,
        plugin: BackendSpec,
        spec: ABCMeta,
        observers: Sequence[Observer] = (),
    ) -> None:
        check_contract(type(plugin), spec, distribution)
        self.backend = backend
        self.distribution = distribution
        self.spec = spec
        self._hooks = _registered(plugin, spec)
        self._results = _result_types(spec)
        self.observers = observers
        self._closed = False

    def call(self, operation: str, /, **arguments: Any) -> Any:
        """Call a hook with all its arguments.

        Raises:
            KmsError: what the backend raised, located.
            BackendContractError: it raised anything else, or returned the wrong type.
            ClosedError: it was closed.
        """
        dek_id = _dek_id(arguments)
        watched = observed(self.observers, operation, self.backend, dek_id)
        with watched, self.located(operation, dek_id):
            return self._answer(operation, arguments)

    def iterate(self, operation: str, /, **arguments: Any) -> Iterator[str]:
        """Call a hook that yields ids, and guard each step like a call."""
        ids = self.call(operation, **arguments)
        while True:
            with self.located(operation, None):
                try:
                    dek_id = next(ids)
                except StopIteration:
                    return
                self._expect(operation, str, dek_id)
            yield dek_id

    def observe(self, event: Event) -> None:
        """Tell an observer."""
        self.call("observe", event=event)

    def close(self) -> None:
        """Close the backend; a second time does nothing."""
        if not self._closed:
            try:
                self.call("close")
            finally:
                self._closed = True

    def _answer(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        if self._closed:
            raise ClosedError("it is closed; open it again")
        result = getattr(self._hooks, operation)(**arguments)
        self._expect(operation, self._results[operation], result)
        return result

    def _expect(self, operation: str, kind: type, result: object) -> None:
        if not isinstance(result, kind):
            raise BackendContractError(
                f"{self.distribution}: {operation} returned {type(result).__name__} instead of "
                f"{kind.__name__}; report it to the plugin's author"
            )

    @contextmanager
    def located(self, operation: str, dek_id: str | None) -> Iterator[None]:
        """Say of an error in the block where it happened; let nothing out but a KmsError."""
        try:
            yield
        except KmsError as error:
            error.locate(backend=self.backend, operation=operation, dek_id=dek_id)
            raise
        except Exception as error:
            violation = BackendContractError(
                f"{self.distribution}: it raised {type(error).__name__}, which is not a KmsError; "
                "report it to the plugin's author"
            )
            violation.locate(backend=self.backend, operation=operation, dek_id=dek_id)
            raise violation from error


def check_answer(kek: Bound, dek: bytes, size: int) -> None:
    """Refuse a DEK of another size than asked for: it is not the DEK, whatever the KMS says.

    Raises:
        BackendContractError: the size differs.
    """
    if len(dek) != size:
        raise BackendContractError(
            f"{kek.backend} of {kek.distribution} returned a DEK of {len(dek)} bytes instead of "
            f"{size}; report it to the plugin's author"
        )


def _dek_id(arguments: Mapping[str, Any]) -> str | None:
    dek_id = arguments.get("dek_id")
    if dek_id is None and "context" in arguments:
        dek_id = arguments["context"].get("dek_id")
    return dek_id


def _result_types(spec: ABCMeta) -> dict[str, type]:
    hints = {name: get_type_hints(getattr(spec, name))["return"] for name in _hook_names(spec)}
    return {name: get_origin(hint) or hint for name, hint in hints.items()}
