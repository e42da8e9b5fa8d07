"""Removes the records that a check has made in a store that is in use."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from kms_core._racing import RACERS
from kms_core._values import StoredRecord
from kms_core.errors import DekNotFoundError, KmsError


class Store(Protocol):
    """A storage, be it the backend itself or what core calls it through."""

    def load_record(self, dek_id: str) -> StoredRecord:
        """As the hook."""

    def delete_record(self, dek_id: str, revision: str) -> None:
        """As the hook."""


def remove_records(store: Store, dek_ids: Sequence[str]) -> dict[str, KmsError]:
    """Delete the records of these ids that are there; return those that may be left, and why."""
    with ThreadPoolExecutor(RACERS) as pool:
        problems = pool.map(partial(_remove, store), dek_ids)
        return {dek_id: why for dek_id, why in zip(dek_ids, problems, strict=True) if why}


def _remove(store: Store, dek_id: str) -> KmsError | None:
    """Delete the record if it is there; what kept us from it."""
    try:
        revision = store.load_record(dek_id=dek_id).revision
        store.delete_record(dek_id=dek_id, revision=revision)
    except DekNotFoundError:
        return None
    except KmsError as error:
        return error
    return None
