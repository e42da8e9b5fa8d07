"""Checks a backend's class against its hookspec, through pluggy.

pluggy lets every plugin answer, with as few of the arguments as it likes. A KEK needs exactly
one answer, made from all the arguments, so the class is checked before it is used.
"""

from __future__ import annotations

from abc import ABCMeta
from types import SimpleNamespace
from typing import Any, TypeAlias

import pluggy

from kms_core.backend.hookspecs import (
    PROJECT,
    DeriverSpec,
    KekSpec,
    ObserverSpec,
    StorageSpec,
)
from kms_core.errors import BackendContractError

Hooks: TypeAlias = SimpleNamespace
"""The methods of a backend that are hooks, by their names; an optional one may be missing."""


class _Manager(pluggy.PluginManager):
    """Looks at all attributes of a class, and then of its object only at the hooks."""

    class_is_checked = False

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """What pluggy calls for each attribute."""
        if self.class_is_checked and not hasattr(self.hook, name):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def spec_of(scheme: str, backend: type) -> ABCMeta:
    """The hookspec that a class has to keep. A KEK that has ``derive_dek`` is a deriver."""
    if scheme == "kms":
        return DeriverSpec if hasattr(backend, "derive_dek") else KekSpec
    return StorageSpec if scheme == "storage" else ObserverSpec


def register_class(backend: type, spec: ABCMeta, distribution: str) -> _Manager:
    """Register the class alone with a PluginManager that nobody else can reach.

    Raises:
        BackendContractError: it does not implement every hook as specified.
    """
    manager = _Manager(PROJECT)
    manager.add_hookspecs(spec)
    try:
        manager.register(backend)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        # pluggy's last two lines name the hook and what is wrong with it.
        lines = str(error).splitlines()[-2:]
        raise _violation(backend, distribution, "; ".join(lines)) from error
    for name in sorted(vars(manager.hook)):
        if name in spec.__abstractmethods__ or _is_overridden(backend, spec, name):
            problem = _hook_problem(backend, name, getattr(manager.hook, name))
            if problem is not None:
                raise _violation(backend, distribution, problem)
    manager.class_is_checked = True
    return manager


def _is_overridden(backend: type, spec: ABCMeta, name: str) -> bool:
    """Whether the backend has an optional hook."""
    return getattr(backend, name, None) not in {None, getattr(spec, name)}


def register_object(manager: _Manager, opened: object) -> Hooks:
    """Put an object in place of its class, and return its hooks: the one implementation of each.

    pluggy's own call looks for others each time, and costs as much as to derive a DEK.
    """
    manager.unregister(type(opened))
    manager.register(opened)
    callers: dict[str, pluggy.HookCaller] = vars(manager.hook)
    return SimpleNamespace(
        **{name: one.function for name, hook in callers.items() for one in hook.get_hookimpls()}
    )


def _hook_problem(backend: type, name: str, caller: pluggy.HookCaller) -> str | None:
    implementations = caller.get_hookimpls()
    method = getattr(backend, name, None)
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


def _violation(backend: type, distribution: str, problem: str) -> BackendContractError:
    return BackendContractError(
        f"{backend.__module__}.{backend.__qualname__} of {distribution} breaks the hookspec: "
        f"{problem}; report it to the plugin's author, or use another version of it"
    )
