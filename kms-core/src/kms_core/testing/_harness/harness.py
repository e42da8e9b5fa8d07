"""What the kit has to know of a backend and its service: one value for each kind of backend."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kms_core.backend.hookspecs import DeriverSpec, KekSpec, ObserverSpec, StorageSpec
from kms_core.testing._harness.leaks import Secret

Open: TypeAlias = Callable[[], Any]
OpenAt: TypeAlias = Callable[[str], Any]
PlantRecord: TypeAlias = Callable[[str, bytes], object]

_MEANING = re.compile(r"^(\w+): (.*?)(?=^\w+: |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class KekHarness:
    """How the kit opens a KEK, and what its admin does.

    Attributes:
        open: opens a fresh client of the KEK.
        open_other: opens another KEK of the same provider, with credentials that may use it.
        secrets: what may never be shown: the credentials of the config and the tokens of a login,
            each of 8 bytes or more; it is read when it is needed, so it may grow.
        open_missing: opens a KEK that the KMS does not have.
        open_forbidden: opens a client whose credentials may do nothing.
        open_unreachable: opens a client at an address where nothing listens; leave it out where you
            give endpoint and open_at.
        expire_credentials: ends all that the service has given to those who logged in, as tokens;
            from then on it takes new ones only.
        endpoint: is the URL of the service, to which a wire that fails is to lead.
        open_at: opens a client of the service at another URL, which has the host and port of a
            wire; give it time limits as short as the service allows, and few attempts.
        attempts: says how often a client of open_at makes a call at most, as maxAttempts does.
        rotate: adds a new version to the KEK, as its admin would.
        destroy: destroys the version of the KEK that has this name, as its admin would, so that the
            KMS has it no more; the others stay.
        disable: disables the KEK with all its versions, as its admin would.
        wrap_foreign: has the KMS wrap these bytes without any context, as another program does, and
            returns the ciphertext and the version; the version is empty where that program gets
            none.
    """

    open: Callable[[], KekSpec]
    open_other: Callable[[], KekSpec]
    secrets: Sequence[Secret] = ()
    open_missing: Open | None = None
    open_forbidden: Open | None = None
    open_unreachable: Open | None = None
    expire_credentials: Callable[[], object] | None = None
    endpoint: str = ""
    open_at: OpenAt | None = None
    attempts: int | None = None
    rotate: Callable[[], object] | None = None
    destroy: Callable[[str], object] | None = None
    disable: Callable[[], object] | None = None
    wrap_foreign: Callable[[bytes], tuple[bytes, str]] | None = None


@dataclass(frozen=True, kw_only=True)
class DeriverHarness:
    """How the kit opens a deriver.

    Attributes:
        open: opens a fresh client of the deriver.
        open_other: opens a deriver that has another secret.
        secrets: what may never be shown: the credentials of the config and the tokens of a login,
            each of 8 bytes or more; it is read when it is needed, so it may grow.
        open_forbidden: opens a client whose credentials may do nothing.
        open_unreachable: opens a client at an address where nothing listens.
    """

    open: Callable[[], DeriverSpec]
    open_other: Callable[[], DeriverSpec]
    secrets: Sequence[Secret] = ()
    open_forbidden: Open | None = None
    open_unreachable: Open | None = None


@dataclass(frozen=True, kw_only=True)
class StorageHarness:
    """How the kit opens a storage, and what others do in its store.

    Attributes:
        open: opens a fresh client of one store, which is empty when a test begins.
        secrets: what may never be shown: the credentials of the config and the tokens of a login,
            each of 8 bytes or more; it is read when it is needed, so it may grow.
        open_forbidden: opens a client whose credentials may do nothing.
        open_unreachable: opens a client at an address where nothing listens; leave it out where you
            give endpoint and open_at.
        open_missing: opens a store that is not there, as a bucket that nobody has created; its
            hooks, or opening it, raise ConfigError.
        expire_credentials: ends all that the service has given to those who logged in, as tokens;
            from then on it takes new ones only.
        endpoint: is the URL of the service, to which a wire that fails is to lead.
        open_at: opens a client of the store at another URL, which has the host and port of a wire;
            give it time limits as short as the service allows, and few attempts.
        attempts: says how often a client of open_at makes a call at most, as maxAttempts does.
        open_full: opens a client of the same store when it has no room for another record, as on a
            full disk or at a quota; what is stored can be read.
        plant_record: stores this data as the record of this dek_id, without the backend.
        plant_name: puts something where the records are under this very name, which is none of a
            record, as another program would that shares the folder or the bucket.
        keep_old_records: has the store keep what is replaced or deleted, as its admin would.
        plant_object: stores an object of this name with this content, as another program would.
    """

    open: Callable[[], StorageSpec]
    secrets: Sequence[Secret] = ()
    open_forbidden: Open | None = None
    open_unreachable: Open | None = None
    open_missing: Callable[[], StorageSpec] | None = None
    expire_credentials: Callable[[], object] | None = None
    endpoint: str = ""
    open_at: OpenAt | None = None
    attempts: int | None = None
    open_full: Open | None = None
    plant_record: PlantRecord | None = None
    plant_name: Callable[[str], object] | None = None
    keep_old_records: Callable[[], object] | None = None
    plant_object: PlantRecord | None = None


@dataclass(frozen=True, kw_only=True)
class ObserverHarness:
    """How the kit opens an observer, and reads what it notes.

    Attributes:
        open: opens a fresh client of the observer.
        secrets: what may never be shown: the credentials of the config and the tokens of a login,
            each of 8 bytes or more; it is read when it is needed, so it may grow.
        read_notes: returns all that the observer has written or sent so far, as text.
        read_counts: returns for each operation and outcome how many calls metrics have counted so
            far, and all their seconds, added up over the other labels.
    """

    open: Callable[[], ObserverSpec]
    secrets: Sequence[Secret] = ()
    read_notes: Callable[[], str] | None = None
    read_counts: Callable[[], Mapping[tuple[str, str], tuple[float, float]]] | None = None


def given(harness: object, name: str) -> Any:
    """What the harness says of this, or None."""
    return getattr(harness, name, None)


def meanings(harness: type) -> dict[str, str]:
    """Each field of a harness, and what its docstring says of it."""
    attributes = (inspect.getdoc(harness) or "").partition("Attributes:\n")[2]
    found = _MEANING.findall(inspect.cleandoc(attributes))
    return {name: " ".join(text.split()) for name, text in found}
