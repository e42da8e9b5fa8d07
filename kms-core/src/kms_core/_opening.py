"""Opens a KEK, with its storage or alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from kms_core._tracebacks import without_locals
from kms_core._values import UriOrMapping
from kms_core.errors import ConfigError
from kms_core.kek import Kek
from kms_core.kms import Kms

if TYPE_CHECKING:
    from kms_core._config.cache import CacheSettings
    from kms_core._config.choices import ChosenBackend
    from kms_core._deks.cache import DekCache
    from kms_core._deks.stored import StoredDeks
    from kms_core._events import Observer, Observers
    from kms_core._plugins.clients import DeriverClient, Keyset
    from kms_core._values import Event
    from kms_core.backend.hookspecs import ObserverSpec

    ChosenObserver: TypeAlias = UriOrMapping | Callable[[Event], object] | ObserverSpec


# The modules that load stevedore and msgspec are imported when a backend is opened, not by
# `import kms_core`, which programs pay for even when they open none.
@without_locals
def open_kms(  # noqa: PLR0913 -- each is a choice of its own
    kek: UriOrMapping | Sequence[UriOrMapping] | None = None,
    storage: UriOrMapping | None = None,
    *,
    observers: Sequence[ChosenObserver] = (),
    cache: Mapping[str, object] | None = None,
    timeout: float | None = None,
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
) -> Kms:
    """Open a KEK and its storage.

    Each of ``kek``, ``storage``, ``observers`` and ``cache`` replaces what the config file says of
    it. Without ``kek``, ``storage`` and ``config``, the environment names them: ``KMS_CONFIG``
    and ``KMS_PROFILE``, ``KMS_KEK_URI``, ``KMS_STORAGE_URI``; otherwise it is not read for them.

    Args:
        kek: a URI such as ``kms://local?keyFile=kek.toml``, or a mapping with ``backend``; or
            several of these: the first wraps, and all of them unwrap. ``retiredVersions`` among
            the parameters of a KEK lets none of these versions be used.
        storage: a URI such as ``storage://file?path=deks``, or a mapping with ``backend``. A KEK
            that derives its DEKs needs none, and opens none. ``createDeks=false`` among the
            parameters of any storage, or ``KMS_CREATE_DEKS=false`` in the environment, lets no
            DEK be made.
        observers: names of observers, or mappings with ``backend``; or callables that take each
            :class:`~kms_core.backend.Event`; or objects of your own
            :class:`~kms_core.backend.ObserverSpec`,
            which you close yourself.
        cache: how long a DEK that was read is given out again, such as ``{"ttl": 300}``, with
            ``maxUses``, ``maxEntries`` and ``staleOnOutage`` if you like; ``{"ttl": 0}`` for no
            cache. A KEK that derives its DEKs has none.
        timeout: seconds for each call of the Kms that is about one DEK, and for
            :meth:`Kms.check_health`; opening, listings and what is done to many DEKs have none.
        config: a TOML file with the tables ``kek``, ``storage`` and ``cache``, and ``observers``.
        profile: the name of a profile in the config file; without it, what is outside of profiles.

    Raises:
        ConfigError: the configuration is incomplete or wrong.
        BackendError: a backend is not installed, broken, or claimed by two distributions.
        OperationError: a backend could not be opened.
    """
    from kms_core._config.choices import load_choices
    from kms_core._deks.derived import DerivedDeks
    from kms_core._deks.stored import StoredDeks
    from kms_core._plugins.clients import DeriverClient

    named, own = _sort_out(observers)
    read = partial(load_choices, config=config, profile=profile)
    chosen = read(kek=kek, storage=storage, observers=named, cache=cache)
    with ExitStack() as resources:
        told = [*_open_observers(chosen.observers, resources), *own]
        opened = _open_keks(chosen.keks, resources, told)
        if isinstance(opened, DeriverClient):
            return Kms(DerivedDeks(opened), resources.pop_all(), told, timeout=timeout)
        store = _open(chosen.storage, resources, told)
        deks = StoredDeks(opened, store, may_create=chosen.may_create)
        kept = _open_cache(deks, chosen.cache, resources)
        return Kms(deks, resources.pop_all(), told, cache=kept, timeout=timeout)


@without_locals
def open_kek(
    kek: UriOrMapping | Sequence[UriOrMapping] | None = None,
    *,
    observers: Sequence[ChosenObserver] = (),
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
) -> Kek:
    """Open a KEK alone, to wrap data that the caller keeps.

    Args:
        kek: as for :func:`open_kms`; without it the config file's, or else the environment's.
        observers: as for :func:`open_kms`.
        config: as for :func:`open_kms`; its storage is not opened.
        profile: as for :func:`open_kms`.

    Raises:
        ConfigError: the configuration is incomplete or wrong, or the KEK derives DEKs.
        BackendError: the backend is not installed, broken, or claimed by two distributions.
        OperationError: it could not be opened.
    """
    from kms_core._config.choices import load_choices
    from kms_core._plugins.clients import DeriverClient

    named, own = _sort_out(observers)
    chosen = load_choices(kek=kek, observers=named, config=config, profile=profile)
    with ExitStack() as resources:
        told = [*_open_observers(chosen.observers, resources), *own]
        opened = _open_keks(chosen.keks, resources, told)
        if isinstance(opened, DeriverClient):
            raise ConfigError(
                f"{opened.backend} derives DEKs and wraps nothing; use it with open_kms"
            )
        return Kek(opened, resources.pop_all(), told)


def _sort_out(observers: Sequence[ChosenObserver]) -> tuple[list[UriOrMapping], list[Observer]]:
    """Tell the observers that a plugin has from those that are the program's own."""
    from kms_core._events import Observer
    from kms_core._plugins.clients import bind
    from kms_core.backend.hookspecs import ObserverSpec

    if isinstance(observers, str):
        raise ConfigError('observers is a list, such as ["log"]')
    named: list[UriOrMapping] = []
    own: list[Observer] = []
    for observer in observers:
        name = getattr(observer, "__qualname__", type(observer).__qualname__)
        if isinstance(observer, ObserverSpec):
            client: Any = bind(f"observer://{name}", observer, "this program")
            own.append(client.hears)
        elif callable(observer):
            own.append(Observer(name, observer))
        else:
            named.append(observer)
    return named, own


def _open_observers(chosen: Sequence[ChosenBackend], resources: ExitStack) -> list[Observer]:
    return [_open(observer, resources).hears for observer in chosen]


def _open_cache(
    deks: StoredDeks, settings: CacheSettings | None, resources: ExitStack
) -> DekCache | None:
    if settings is None:
        return None
    from kms_core._deks.cache import DekCache

    cache = DekCache(deks, settings)
    resources.callback(cache.close)
    return cache


def _open_keks(
    chosen: Sequence[ChosenBackend], resources: ExitStack, observers: Observers
) -> Keyset | DeriverClient:
    from kms_core._plugins.clients import DeriverClient, Keyset
    from kms_core._plugins.prepared import prepare_keks

    clients: list[Any] = []
    for kek in prepare_keks(chosen):
        client: Any = kek.open(observers)
        resources.callback(client.close)
        if isinstance(client, DeriverClient):
            return client
        client.retired = kek.chosen.retired_versions
        clients.append(client)
    return Keyset(clients)


def _open(chosen: ChosenBackend, resources: ExitStack, observers: Observers = ()) -> Any:
    """A client, of the kind that the scheme says; it is closed with the resources."""
    from kms_core._plugins.prepared import prepare

    client = prepare(chosen).open(observers)
    resources.callback(client.close)
    return client
