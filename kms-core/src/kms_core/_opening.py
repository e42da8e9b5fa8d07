"""Opens a KEK and its storage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from kms_core._tracebacks import without_locals
from kms_core._values import UriOrMapping
from kms_core.kms import Kms

if TYPE_CHECKING:
    from kms_core._config.choices import Choices, ChosenBackend
    from kms_core._events import Observer


# The modules that load stevedore and msgspec are imported when a backend is opened, not by
# `import kms_core`, which programs pay for even when they open none.
@without_locals
def open_kms(
    kek: UriOrMapping | None = None,
    storage: UriOrMapping | None = None,
    *,
    observers: Sequence[UriOrMapping] = (),
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
    from kms_core._config.choices import load_choices

    chosen = load_choices(kek=kek, storage=storage, observers=observers, config=config)
    with ExitStack() as resources:
        return _open(chosen, resources)


def _open(chosen: Choices, resources: ExitStack) -> Kms:
    from kms_core._deks.derived import DerivedDeks
    from kms_core._deks.stored import StoredDeks
    from kms_core._plugins.clients import DeriverClient
    from kms_core._plugins.prepared import prepare

    def opened(backend: ChosenBackend, observers: Sequence[Observer] = ()) -> Any:
        client = prepare(backend).open(observers)  # of the kind that the scheme says
        resources.callback(client.close)
        return client

    observers = [opened(observer).observe for observer in chosen.observers]
    kek = opened(chosen.kek, observers)
    deks: StoredDeks | DerivedDeks
    if isinstance(kek, DeriverClient):
        deks = DerivedDeks(kek)
    else:
        deks = StoredDeks(kek, opened(chosen.storage, observers), chosen.kek.name)
    return Kms(deks, resources.pop_all(), observers)
