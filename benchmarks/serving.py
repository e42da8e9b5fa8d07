"""The other end of `workers`: calls of one library, made when they are asked for.

Runs in environments that have nothing but that library, so it needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

COUNTED_THREADS = 64


def read_settings() -> dict[str, Any]:
    """What the first line of standard input says."""
    settings: dict[str, Any] = json.loads(sys.stdin.readline())
    return settings


def serve_asked(
    measures: Sequence[Callable[[dict[str, Any]], Mapping[str, Callable[[], object]]]],
    *distributions: str,
) -> None:
    """Answer for those of the functions that the settings name in ``who``."""
    told = read_settings()
    calls: dict[str, Callable[[], object]] = {}
    for measure in measures:
        if measure.__name__ in told["who"]:
            calls |= measure(told)
    serve(calls, *distributions)


def serve(calls: Mapping[str, Callable[[], object]], *distributions: str) -> None:
    """Answer each line `NAME NUMBER` with the CPU in seconds, and what the last call returned."""
    versions = {name: version(name) for name in distributions}
    _say({"versions": versions, "kib": _most_memory()})
    for line in sys.stdin:
        name, _, number = line.strip().rpartition(" ")
        call, told = calls[name], None
        started = time.process_time()
        for _ in range(int(number)):
            told = call()
        cpu = time.process_time() - started
        _say({"cpu": cpu, "told": told if isinstance(told, int) else None})


def count_in_threads(call: Callable[[], object], operation: str) -> int:
    """How often botocore calls this operation while many threads ask at once."""
    from botocore.client import BaseClient  # noqa: PLC0415 -- not every peer has it

    client: Any = BaseClient

    seen: list[str] = []
    real = client._make_api_call  # noqa: SLF001 -- each client passes here, whoever made it

    def counted(self: Any, name: str, arguments: Any) -> Any:
        seen.append(name)
        return real(self, name, arguments)

    client._make_api_call = counted  # noqa: SLF001 -- likewise
    threads = [Thread(target=call) for _ in range(COUNTED_THREADS)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        client._make_api_call = real  # noqa: SLF001 -- likewise
    return seen.count(operation)


def _most_memory() -> int:
    """KiB since this program began; what getrusage tells includes who started it (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)
