"""Walks what an object holds, as an error reporter does that shows attributes of attributes."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    ModuleType,
    TracebackType,
)
from typing import TypeAlias

from kms_core.backend.secret import Secret

Found: TypeAlias = tuple[str, str]

_DEPTH = 6
"""From an error over its request to a value in the request's headers, and some more."""

_MOST = 5000
_MOST_OF_ONE = 200
_NOT_SHOWN = (type, ModuleType, FunctionType, BuiltinFunctionType, CodeType, Secret)
_WITH_LOCALS = (FrameType, TracebackType)  # which core clears, and the search reads elsewhere


def held_by(root: object, name: str) -> Iterator[Found]:
    """Where each text or bytes is that the object holds, and what it says; the nearest first."""
    for where, value in walk(root, name):
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, (bytes, bytearray)):
            yield where, bytes(value).decode("latin-1")


def held_by_code(kind: type) -> Iterator[Found]:
    """The same of a class, of those that it derives from and of the modules beside it."""
    for base in kind.__mro__[:-1]:
        yield from held_by(dict(vars(base)), f"the class {base.__qualname__}")
    package = kind.__module__.rpartition(".")[0] or kind.__module__
    for name, module in list(sys.modules.items()):
        if f"{name}.".startswith(f"{package}.") and isinstance(module, ModuleType):
            names = {k: part for k, part in vars(module).items() if not k.startswith("__")}
            yield from held_by(names, f"the module {name}")


def walk(root: object, name: str) -> Iterator[tuple[str, object]]:
    """Where each object is that the object holds; the nearest first."""
    waiting: deque[tuple[str, object, int]] = deque([(name, root, 0)])
    seen: dict[int, object] = {}  # kept, so that no id is used again
    while waiting and len(seen) < _MOST:
        where, value, depth = waiting.popleft()
        if isinstance(value, (str, bytes, bytearray)):
            yield where, value
        elif id(value) not in seen and depth < _DEPTH:
            yield where, value
            seen[id(value)] = value
            parts = islice(_parts(value), _MOST_OF_ONE)
            waiting.extend((where + step, part, depth + 1) for step, part in parts if _shown(part))


def _shown(value: object) -> bool:
    return not isinstance(value, (*_NOT_SHOWN, *_WITH_LOCALS))


def _parts(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):  # other mappings keep theirs in attributes, and may not list them
        items = list(islice(dict.items(value), _MOST_OF_ONE))
        keys = ((" key", key) for key, _ in items)
        return chain(((f"[{key!r:.40}]", part) for key, part in items), keys, _attributes(value))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return chain(((f"[{n}]", part) for n, part in enumerate(value)), _attributes(value))
    return _attributes(value)


def _attributes(value: object) -> Iterator[tuple[str, object]]:
    """Instance attributes and slots. Properties are not read: they may do anything."""
    with suppress(TypeError):  # it has none
        yield from ((f".{name}", part) for name, part in list(vars(value).items()))
    if isinstance(value, BaseException):
        yield ".args", value.args
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            name = f"_{kind.__name__.lstrip('_')}{slot}" if slot.startswith("__") else slot
            with suppress(AttributeError):  # it is empty
                yield f".{slot}", object.__getattribute__(value, name)
