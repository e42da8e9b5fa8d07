"""One of many who ask for the same DEKs at random, and note what they asked and what they got."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from random import Random
from typing import Any

from kms_core import DekExistsError, DekNotFoundError, Kms, OperationError, UnwrapError
from kms_core._config.choices import ChosenBackend
from kms_core._deks.stored import StoredDeks
from kms_core._plugins.clients import KekClient, Keyset, StorageClient, bind
from kms_core._plugins.prepared import prepare
from tests.conformance.http_pair.kek import HttpKek
from tests.conformance.http_pair.storage import HttpStorage
from tests.torture.linear import DONE, EXISTS, MISSING, UNKNOWN
from tests.torture.wire import KEPT

Note = Callable[[str], object]
Source = Mapping[str, Any]
"""What the config says of a KEK or a storage; ``http`` is the pair of tests/conformance."""

CALLS: Mapping[str, Callable[[Kms, str], object]] = {
    "get": lambda kms, dek_id: kms.get_dek(dek_id),
    "ensure": lambda kms, dek_id: kms.get_dek(dek_id, create=True),
    "create": lambda kms, dek_id: kms.create_dek(dek_id),
    "rewrap": lambda kms, dek_id: kms.rewrap_dek(dek_id),
    "delete": lambda kms, dek_id: kms.delete_dek(dek_id),
}
_OFTEN = {"get": 3, "ensure": 4, "create": 2, "rewrap": 3, "delete": 2}


def open_bare(scheme: str, source: Source) -> Any:
    """Open a backend alone."""
    given = dict(source)
    backend = given.pop("backend")
    if backend != "http":
        return prepare(ChosenBackend(scheme, backend, given)).open_bare()
    implementation: Any = HttpKek if scheme == "kms" else HttpStorage
    return implementation(implementation.Config.from_parameters(given))


def join(kek: Any, storage: Any) -> Kms:
    """A façade over backends that are open."""
    bound, store = (
        bind("kms://torture", kek, "a test"),
        bind("storage://torture", storage, "a test"),
    )
    assert isinstance(bound, KekClient)
    assert isinstance(store, StorageClient)
    resources = ExitStack()
    resources.callback(kek.close)
    resources.callback(storage.close)
    return Kms(StoredDeks(Keyset([bound]), store), resources)


def play(kms: Kms, note: Note, name: str, ids: Sequence[str], calls: int) -> None:
    """Make so many calls; note each before it is made, and its outcome."""
    random = Random(name)
    for number in range(calls):
        dek_id = random.choice(ids)
        often = {k: n for k, n in _OFTEN.items() if k != "delete" or not dek_id.startswith(KEPT)}
        [kind] = random.choices([*often], [*often.values()])
        note(f"{name}.{number} {kind} {dek_id}\n")
        note(f"{name}.{number} {outcome_of(kms, kind, dek_id)}\n")


def outcome_of(kms: Kms, kind: str, dek_id: str) -> str:
    """What the call came to, in a word: a DEK's own says which it is, and not what."""
    try:
        returned = CALLS[kind](kms, dek_id)
    except DekNotFoundError:
        return MISSING
    except DekExistsError:
        return EXISTS
    except (OperationError, UnwrapError):  # also a page of 403, and a wrap that was spoiled
        return UNKNOWN
    return sha256(returned).hexdigest()[:24] if isinstance(returned, bytes) else DONE
