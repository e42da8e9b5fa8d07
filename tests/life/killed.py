"""Does something to all DEKs of a store, in a process that is killed at a boundary of a hook.

Usage: killed.py BOUNDARY OPERATION KEK STORAGE, where a KEK and a storage are JSON. A boundary is
the begin or the end of any call of a hook, counted from 1. Ends with 0 if there are fewer.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping

import kms_core
from kms_core import Bulk, Kms
from kms_core.backend import BackendConfig, CallStart, Event, ObserverSpec, hookimpl

ONE = Bulk(concurrency=1)
HOOKS = frozenset(
    {
        *("wrap_dek", "wrap_dek_under", "unwrap_dek", "rewrap_dek", "find_key_material"),
        *("load_record", "create_record", "replace_record", "delete_record", "describe_kek"),
    }
)


def delete(kms: Kms) -> Iterator[object]:
    for dek_id in kms.list_dek_ids():
        yield kms.delete_dek(dek_id)


OPERATIONS: Mapping[str, Callable[[Kms], Iterator[object]]] = {
    "rewrap": lambda kms: kms.rewrap_deks(bulk=ONE),
    "delete": delete,
}


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
            sys.stdout.write(operation)
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    boundary, operation, kek, storage = sys.argv[1:]
    observers = [Killer(int(boundary))]
    with kms_core.open_kms(json.loads(kek), json.loads(storage), observers=observers) as kms:
        for _ in OPERATIONS[operation](kms):
            pass
