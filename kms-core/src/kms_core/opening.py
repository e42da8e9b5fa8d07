"""From settings to an opened :class:`Kms`: resolve, configure and bind each backend."""

from __future__ import annotations

import os
from abc import ABCMeta
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kms_core.binding import Bound, check_contract
from kms_core.derived import DerivedDeks
from kms_core.errors import BackendContractError, KmsError
from kms_core.hookspecs import BackendSpec, DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.observing import Observer
from kms_core.service import Kms
from kms_core.stored import StoredDeks
from kms_core.tracebacks import without_locals

if TYPE_CHECKING:
    from kms_core.config import BackendConfig
    from kms_core.resolver import FoundBackend
    from kms_core.settings import BackendSettings, BackendSource


# The modules that load stevedore and pydantic are imported when a backend is opened, not by
# `import kms_core`, which programs pay for even when they open none.
@without_locals
def open_kms(
    kek: BackendSource | None = None,
    storage: BackendSource | None = None,
    *,
    observers: Sequence[BackendSource] = (),
    config: str | os.PathLike[str] | None = None,
) -> Kms:
    """Open a KEK and its storage.

    Each of ``kek``, ``storage`` and ``observers`` replaces what the config file says of it.
    Without ``kek``, ``storage`` and ``config``, the environment names them: ``KMS_CONFIG``,
    ``KMS_KEK_URI``, ``KMS_STORAGE_URI``; otherwise it is not read for them.

    Args:
        kek: a URI such as ``kms://local?keyFile=kek.toml``, or a mapping with ``backend``.
        storage: a URI such as ``storage://file?path=deks``, or a mapping with ``backend``. A KEK
            that derives its DEKs needs none, and opens none.
        observers: names of observers, or mappings with ``backend``.
        config: a TOML file with the tables ``kek`` and ``storage``, and ``observers``.

    Raises:
        ConfigError: the configuration is incomplete or wrong.
        BackendError: a backend is not installed, broken, or claimed by two distributions.
        OperationError: a backend could not be opened.
    """
    from kms_core.settings import load_settings

    settings = load_settings(kek=kek, storage=storage, observers=observers, config=config)
    with ExitStack() as resources:
        watching = [_open(s, resources).observe for s in settings.observers]
        opened = _open(settings.kek, resources, watching)
        deks: StoredDeks | DerivedDeks
        if opened.spec is DeriverSpec:
            deks = DerivedDeks(opened)
        else:
            store = _open(settings.storage, resources, watching)
            deks = StoredDeks(opened, store, settings.kek.name)
        return Kms(deks, resources.pop_all())


def load_plugin(scheme: str, name: str) -> tuple[Any, ABCMeta, FoundBackend]:
    """Import a backend's class and check it against its hookspec, without configuring it.

    Raises:
        BackendError: it is not installed, broken, ambiguous, or breaks its contract.
    """
    from kms_core.config import BackendConfig
    from kms_core.resolver import load_backend

    plugin, found = load_backend(scheme, name)
    spec = backend_spec(scheme, plugin)
    check_contract(plugin, spec, found.distribution)
    model = getattr(plugin, "Config", None)
    if not (isinstance(model, type) and issubclass(model, BackendConfig)):
        raise _violation(found, "it has no Config that is a kms_core.config.BackendConfig")
    return plugin, spec, found


def configure(plugin: Any, settings: BackendSettings, found: FoundBackend) -> BackendConfig:
    """Check the settings against the plugin's ``Config``.

    Raises:
        ConfigError: a parameter is unknown, missing or wrong.
        BackendContractError: the plugin's own validator failed.
    """
    from kms_core.config import load_config

    try:
        config: BackendConfig = load_config(plugin.Config, settings)
    except KmsError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever a plugin's own validator raises
        problem = f"its Config raised {type(error).__name__}, which is not a ValueError"
    else:
        return config
    raise _violation(found, problem)  # not above: the validator's error may hold the values


def backend_spec(scheme: str, plugin: type) -> ABCMeta:
    """The hookspec that a backend has to keep. A KEK that has ``derive_dek`` is a deriver."""
    if scheme == "kms":
        return DeriverSpec if hasattr(plugin, "derive_dek") else KekSpec
    return StorageSpec if scheme == "storage" else ObserverSpec


@dataclass(frozen=True, slots=True)
class Prepared:
    """A backend whose class and parameters are checked, to be opened as often as you like."""

    found: FoundBackend
    spec: ABCMeta
    plugin: Any
    config: BackendConfig

    def open(self) -> BackendSpec:
        """Open a client.

        Raises:
            KmsError: what the backend raised, located.
            BackendContractError: it raised anything else.
        """
        try:
            backend: BackendSpec = self.plugin(self.config)
        except KmsError as error:
            error.locate(backend=self.found.backend, operation="open", dek_id=None)
            raise
        except Exception as error:
            problem = f"it raised {type(error).__name__} when opened, which is not a KmsError"
            raise _violation(self.found, problem) from error
        return backend

    def bind(self, observers: Sequence[Observer] = ()) -> Bound:
        """Open a client and bind it to its hookspec."""
        found = self.found
        return Bound(found.backend, found.distribution, self.open(), self.spec, observers)


def prepare(settings: BackendSettings) -> Prepared:
    """Import a backend's class and check the settings, without opening anything.

    Raises:
        BackendError: it is not installed, broken, ambiguous, or breaks its contract.
        ConfigError: a parameter is unknown, missing or wrong.
    """
    plugin, spec, found = load_plugin(settings.scheme, settings.name)
    return Prepared(found, spec, plugin, configure(plugin, settings, found))


def _open(
    settings: BackendSettings, resources: ExitStack, observers: Sequence[Observer] = ()
) -> Bound:
    bound = prepare(settings).bind(observers)
    resources.callback(bound.close)
    return bound


def _violation(found: FoundBackend, problem: str) -> BackendContractError:
    return BackendContractError(
        f"{found.backend} of {found.distribution} breaks the hookspec: {problem}; "
        "report it to the plugin's author"
    )
