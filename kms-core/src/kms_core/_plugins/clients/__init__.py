"""Opened backends, a typed class for each kind. Each calls its hooks, checks what they return,
tells observers, and says where an error happened.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Mapping
from typing import TypeAlias

from kms_core._events import Observers
from kms_core._plugins.clients.call import NOT_KNOWN, Client, Opening
from kms_core._plugins.clients.kek import DeriverClient, KekClient
from kms_core._plugins.clients.keyset import Keyset
from kms_core._plugins.clients.observer import ObserverClient
from kms_core._plugins.clients.storage import StorageClient
from kms_core._plugins.contract import register_class, register_object, spec_of
from kms_core.backend.hookspecs import (
    BackendSpec,
    DeriverSpec,
    KekSpec,
    ObserverSpec,
    StorageSpec,
)

__all__ = [
    "CLIENTS",
    "AnyClient",
    "Client",
    "DeriverClient",
    "KekClient",
    "Keyset",
    "ObserverClient",
    "StorageClient",
    "bind",
]

AnyClient: TypeAlias = KekClient | DeriverClient | StorageClient | ObserverClient
CLIENTS: Mapping[ABCMeta, type[AnyClient]] = {
    KekSpec: KekClient,
    DeriverSpec: DeriverClient,
    StorageSpec: StorageClient,
    ObserverSpec: ObserverClient,
}
"""Hookspec → the class that calls its hooks."""


def bind(
    backend: str,
    opened: BackendSpec,
    distribution: str,
    observers: Observers = (),
    opening: Opening = NOT_KNOWN,
) -> AnyClient:
    """Check the class of an opened backend against its hookspec, and call it through core.

    Args:
        backend: ``kms://NAME``, ``storage://NAME`` or ``observer://NAME``.
        opened: the backend.
        distribution: who ships it.
        observers: who is told of each call.
        opening: how it was opened, where that is known.

    Raises:
        BackendContractError: it breaks its hookspec.
    """
    spec = spec_of(backend.partition("://")[0], type(opened))
    manager = register_class(type(opened), spec, distribution)
    return CLIENTS[spec](
        backend, distribution, register_object(manager, opened), observers, opening
    )
