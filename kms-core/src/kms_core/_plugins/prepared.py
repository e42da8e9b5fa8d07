"""From what the user chose to an opened backend: load, configure, check, open."""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kms_core._config.choices import RETIRED_VERSIONS, ChosenBackend
from kms_core._events import Observers
from kms_core._interrupts import find_interrupt
from kms_core._plugins.clients import CLIENTS, AnyClient
from kms_core._plugins.clients.call import Opening
from kms_core._plugins.clients.leaving import find_failure
from kms_core._plugins.clients.workers import Workers
from kms_core._plugins.contract import Hooks, register_class, register_object, spec_of
from kms_core._plugins.loader import load_backend
from kms_core._plugins.parameters import find_wrong_parameters, read_parameters
from kms_core._plugins.registry import FoundBackend
from kms_core.backend.hookspecs import BackendSpec, DeriverSpec
from kms_core.backend.parameters import BackendConfig, ServiceConfig
from kms_core.errors import BackendContractError, BackendError, ConfigError, KmsError


@dataclass(frozen=True, slots=True)
class PreparedBackend:
    """A backend whose parameters are checked, to be opened as often as you like.

    Opening checks the class against its hookspec, so that it is checked right before it is used.

    Attributes:
        found: who ships it.
        chosen: the parameters as the user gave them.
        spec: the hookspec that it has to keep.
        implementation: its class.
        config: its parameters.
    """

    found: FoundBackend
    chosen: ChosenBackend
    spec: ABCMeta
    implementation: Any
    config: BackendConfig

    def open(self, observers: Observers = ()) -> AnyClient:
        """Check the class against its hookspec, and open a client of it.

        Raises:
            KmsError: what the backend raised, located.
            BackendContractError: it breaks its hookspec, or raised anything else.
        """
        config, workers = self.config, None
        if isinstance(config, ServiceConfig):
            workers = Workers(config.max_connections, config.deadline)
        return CLIENTS[self.spec](
            self.found.backend,
            self.found.distribution,
            self._open_hooks(workers),
            observers,
            Opening(partial(self._reopen_hooks, workers), workers),
        )

    def _open_hooks(self, workers: Workers | None) -> Hooks:
        manager = register_class(self.implementation, self.spec, self.found.distribution)
        return register_object(manager, self.open_bare(workers))

    def _reopen_hooks(self, workers: Workers | None) -> Hooks:
        """Files of secrets and the environment are read again: they may have been renewed."""
        config = _configure(self.implementation, self.chosen, self.found)
        manager = register_class(self.implementation, self.spec, self.found.distribution)
        return register_object(manager, replace(self, config=config).open_bare(workers))

    def open_bare(self, workers: Workers | None = None) -> BackendSpec:
        """Open the backend without anything of core around it, in a worker if there are any."""
        handled = sys.exception()
        opening = partial(self.implementation, self.config)
        try:
            backend: BackendSpec = opening() if workers is None else workers.run(opening)
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is raised below
            failure = self._failure(error, handled)
        else:
            return backend
        raise failure

    def _failure(self, error: Exception, handled: BaseException | None) -> BaseException:
        failure = find_failure(error, handled, " when opened", partial(_violation, self.found))
        if isinstance(failure, KmsError):
            failure.locate(backend=self.found.backend, operation="open", dek_id=None)
        return failure


def prepare(chosen: ChosenBackend) -> PreparedBackend:
    """Import a backend's class and check the parameters, without opening anything.

    Raises:
        BackendError: it is not installed, broken or ambiguous.
        ConfigError: a parameter is unknown, missing or wrong.
    """
    implementation, found = load_backend(chosen.scheme, chosen.name)
    spec = spec_of(chosen.scheme, implementation)
    config = _configure(implementation, chosen, found)
    return PreparedBackend(found, chosen, spec, implementation, config)


def prepare_keks(chosen: Sequence[ChosenBackend]) -> list[PreparedBackend]:
    """Prepare the KEKs of one store.

    Raises:
        BackendError: one is not installed, broken or ambiguous.
        ConfigError: a parameter is wrong, or a deriver is told of several KEKs or versions.
    """
    keks = [prepare(kek) for kek in chosen]
    for kek in keks:
        if kek.spec is DeriverSpec and (len(keks) > 1 or kek.chosen.retired_versions):
            raise ConfigError(
                f"{kek.found.backend} derives its DEKs, so it stands alone: without another KEK, "
                f"and without {RETIRED_VERSIONS}; open it apart"
            )
    return keks


def find_mistakes(chosen: ChosenBackend) -> list[tuple[str | None, str]]:
    """All that is wrong with what the user wrote of a backend, without opening anything.

    Returns:
        For each mistake the parameter, if it is about one, and what is said of it. A mistake about
        several parameters is looked for where each is right by itself.
    """
    try:
        implementation, found = load_backend(chosen.scheme, chosen.name)
        wrong = find_wrong_parameters(_config_model(implementation, found), chosen)
        mistakes: list[tuple[str | None, str]] = list(wrong)
        if not mistakes:
            prepare(chosen)
    except BackendError as error:
        return [("backend", str(error))]
    except KmsError as error:
        return [(None, str(error))]
    return mistakes


def check_backend(scheme: str, name: str) -> None:
    """Import a backend's class and check it against its hookspec, without configuring it.

    Raises:
        BackendError: it is not installed, broken, ambiguous, or breaks its contract.
    """
    implementation, found = load_backend(scheme, name)
    register_class(implementation, spec_of(scheme, implementation), found.distribution)
    _config_model(implementation, found)


def _configure(implementation: Any, chosen: ChosenBackend, found: FoundBackend) -> BackendConfig:
    model = _config_model(implementation, found)
    try:
        config = read_parameters(model, chosen)
    except KmsError:
        raise
    except Exception as error:
        if find_interrupt(error) is error:
            raise
        problem = f"its Config raised {type(error).__name__}, which is not a ValueError"
    else:
        return config
    raise _violation(found, problem)  # not above: the validator's error may hold the values


def _config_model(implementation: Any, found: FoundBackend) -> type[BackendConfig]:
    model = getattr(implementation, "Config", None)
    if isinstance(model, type) and issubclass(model, BackendConfig):
        return model
    raise _violation(found, "it has no Config that is a kms_core.backend.BackendConfig")


def _violation(found: FoundBackend, problem: str) -> BackendContractError:
    return BackendContractError(
        f"{found.backend} of {found.distribution} breaks the hookspec: {problem}; "
        "report it to the plugin's author"
    )
