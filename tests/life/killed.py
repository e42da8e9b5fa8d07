"""Does something to all DEKs of a store, in a process that is killed at a boundary of a hook.

Usage: killed.py BOUNDARY OPERATION PLACE…, each place in JSON: a list of what the config says of a
KEK and of a storage; of a KEK alone; or an archive's path. A boundary is the begin or the end of
any call of a hook, counted from 1. Ends with 0 if there are fewer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kms_core
from kms_core import Bulk, Kek, Kms
from kms_core.backend import BackendConfig, CallStart, Event, ObserverSpec, hookimpl

ONE = Bulk(concurrency=1)
HOOKS = frozenset(
    {
        *("wrap_dek", "wrap_dek_under", "unwrap_dek", "rewrap_dek", "find_key_material"),
        *("load_record", "create_record", "replace_record", "delete_record", "describe_kek"),
    }
)


class Killer(ObserverSpec):
    Config = BackendConfig

    def __init__(self, boundary: int) -> None:
        self.left = boundary

    @hookimpl
    def observe_start(self, start: CallStart) -> None:
        self._count(start.operation)

    @hookimpl
    def observe(self, event: Event) -> None:
        self._count(event.operation)

    @hookimpl
    def close(self) -> None:
        """Nothing is open."""

    def _count(self, operation: str) -> None:
        self.left -= operation in HOOKS
        if self.left == 0 and operation in HOOKS:
            os.kill(os.getpid(), signal.SIGKILL)


def delete(kms: Kms) -> Iterator[object]:
    for dek_id in kms.list_dek_ids():
        yield kms.delete_dek(dek_id)


def restore(path: str, source: Kek, to: Kms) -> Iterator[object]:
    with Path(path).open("rb") as file:
        yield from to.import_deks(file, source=source, bulk=ONE)


OPERATIONS: Mapping[str, Callable[..., Iterator[object]]] = {
    "rewrap": lambda kms: kms.rewrap_deks(bulk=ONE),
    "delete": delete,
    "migrate": lambda kms, to: kms.migrate_deks(to, bulk=ONE),
    "copy": lambda kms, to: kms.copy_deks(to, bulk=ONE),
    "import": restore,
}


def main(boundary: str, operation: str, *places: str) -> None:
    observers = [Killer(int(boundary))]

    def open_place(place: Any) -> Any:
        if isinstance(place, list):
            return kms_core.open_kms(*place, observers=observers)
        return place if isinstance(place, str) else kms_core.open_kek(place, observers=observers)

    for _ in OPERATIONS[operation](*(open_place(json.loads(place)) for place in places)):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
