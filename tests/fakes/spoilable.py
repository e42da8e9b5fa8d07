"""What every server and proxy of ours has in common: a test says which calls to spoil."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

F = TypeVar("F")


@dataclass(kw_only=True)
class Spoilable(Generic[F]):
    """Calls have names. ``seen`` has each that came, but the ``unseen``."""

    unseen: frozenset[str] = frozenset()
    seen: list[str] = field(default_factory=list)
    choose: Callable[[set[str]], F | None] = lambda _: None
    """What to do to a call for which no fault was named."""
    _faults: list[tuple[str, F, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spoil(self, name: str, fault: F, *, times: int = 1000) -> None:
        """Do this to the next calls of this name."""
        with self._lock:
            self._faults.append((name, fault, times))

    def spoil_nothing(self) -> None:
        """From now on let every call be answered."""
        with self._lock:
            self._faults.clear()

    def take_fault(self, names: set[str]) -> F | None:
        """What to do to a call that has these names."""
        with self._lock:
            self.seen += names - self.unseen
            for number, (name, fault, times) in enumerate(self._faults):
                if name in names and times > 0:
                    self._faults[number] = (name, fault, times - 1)
                    return fault
            return self.choose(names)
