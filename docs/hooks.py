"""Writes hooks.md and backend-api.md from the code: `python docs/hooks.py`."""

# ruff: noqa: INP001 -- a script

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import FunctionType
from typing import Any, get_type_hints

import msgspec

import kms_core.testing
from kms_core import backend
from kms_core.backend import (
    BackendSpec,
    DeriverSpec,
    KekSpec,
    ObserverSpec,
    StorageSpec,
    hookspecs,
)
from kms_core.testing import (
    DeriverConformance,
    KekConformance,
    ObserverConformance,
    StorageConformance,
)
from kms_core.testing._harness.clauses import clause_of
from kms_core.testing._harness.harness import meanings

DOCS = Path(__file__).parent
SPECS: tuple[type[BackendSpec], ...] = (
    *(BackendSpec, KekSpec, DeriverSpec, StorageSpec, ObserverSpec),
)
SUITES = (KekConformance, DeriverConformance, StorageConformance, ObserverConformance)
_SECTION = r"^(Args|Attributes|Returns|Guarantees|Raises):\n((?: +\S.*\n?)+)"
HOOKS_PREFACE = """\
# Hooks

<!-- Written by `python docs/hooks.py` from the hookspecs and the conformance kit. -->

Every hook that core calls, as its hookspec has it. Below each stand the clauses that the
conformance kit checks: the kit's messages and tables quote them.
[Write a backend](writing-a-backend.md) shows how to begin, and [compatibility](compatibility.md)
says when a hookspec may change.
"""
API_PREFACE = """\
# Backend API

<!-- Written by `python docs/hooks.py` from `kms_core.backend` and `kms_core.testing`. -->

What the author of a backend imports: everything in `kms_core.backend`, then the conformance kit,
`kms_core.testing`, with its harness. The hookspecs have [a page of their own](hooks.md).
`KekInfo`, `StorageInfo` and the errors are in `kms_core`: see [API](api.md) and
[Errors](errors.md).
"""
GROUPS = {
    "What goes in and out": ("_values", "_context"),
    "Parameters": ("backend.parameters", "backend.secret", "backend.secret_file"),
    "Around a call of an SDK": (
        "backend.errors",
        "backend.replies",
        "backend.route",
        "backend.sdk",
        "backend.transports",
    ),
    "Names of objects": ("backend.object_names",),
    "Sealing": ("backend.sealing", "backend.auth_key"),
}
"""Heading → the modules that define what stands below it."""

KIT = {"The kit": ("builtin.local.key_file", "testing._harness", "testing.checks.strange_ids")}
HARNESS_PREFACE = """\
Your subclass of the suite defines the fixture `harness`, which returns this value. A clause that
needs a field is skipped until you give it. What has a number is set in the body of the class, as
`page_size = 100`.
"""
_HOOKIMPL = """\
## Hooks

### hookimpl

Marks a method as the implementation of the hook of its name: `@hookimpl`. Each hook of a backend
has it, and takes all arguments of its hookspec.
"""


def pages() -> dict[Path, str]:
    """The text of each page."""
    return {DOCS / "hooks.md": _hooks_page(), DOCS / "backend-api.md": _api_page()}


def _hooks_page() -> str:
    return "\n".join([HOOKS_PREFACE, _markdown(_doc(hookspecs)), "", *_sections()])


def hooks_of(spec: type[BackendSpec]) -> list[str]:
    """The hooks that the spec itself adds, in their order."""
    return [name for name, hook in vars(spec).items() if hasattr(hook, "kms_core_spec")]


def _sections() -> Iterator[str]:
    for spec in SPECS:
        yield f"## {spec.__name__}\n\n{_markdown(_doc(spec))}\n"
        yield from _clauses(spec.__name__)
        for name in hooks_of(spec):
            hook = getattr(spec, name)
            yield f"### {spec.__name__}.{name}\n"
            yield f"```text\n{name}{_signature(hook)}\n```\n"
            yield f"{_markdown(_doc(hook))}\n"
            yield from _clauses(hook.__qualname__)


def _clauses(owner: str) -> Iterator[str]:
    found = (clause_of(suite, name) for suite in SUITES for name in dir(suite))
    texts = sorted({c.text for c in found if c is not None and c.owner == owner})
    if texts:
        yield "\n".join(["Checked by the kit:", "", *(f"- {text}" for text in texts), ""])


def _api_page() -> str:
    door = [*_grouped(backend, GROUPS), *_grouped(kms_core.testing, KIT)]
    return "\n".join([API_PREFACE, _HOOKIMPL, *door, *_harnesses()])


def _grouped(door: Any, groups: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for heading, modules in groups.items():
        yield f"## {heading}\n"
        for name in door.__all__:
            home = _home(door, name).removeprefix("kms_core.")
            if home.startswith(modules) and not name.endswith("Harness"):  # they have tables
                yield from _entry(name, getattr(door, name), f"kms_core.{home}")


def _home(door: Any, name: str) -> str:
    """The module of the package that defines the name."""
    imports = [n for n in ast.walk(_tree(door)) if isinstance(n, ast.ImportFrom)]
    return next(str(n.module) for n in imports if name in {alias.name for alias in n.names})


def _tree(source: Any) -> ast.Module:
    return ast.parse(dedent(inspect.getsource(source)))


def _entry(name: str, value: Any, home: str) -> Iterator[str]:
    yield f"### {name}\n"
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        source, text = _data_of(import_module(home))[name]
        if "*" not in source:
            yield f"```text\n{source}\n```\n"
        yield f"{_markdown(text)}\n"
        return
    if not (inspect.isclass(value) and issubclass(value, backend.BackendConfig)):
        yield f"```text\n{name}{_signature(value)}\n```\n"
    yield f"{_markdown(_doc(value))}\n"
    yield from _parameters(value)
    for method, function in vars(value).items() if inspect.isclass(value) else ():
        function = getattr(function, "__func__", function)  # noqa: PLW2901 -- of a classmethod
        if inspect.isfunction(function) and _doc(function) and not method.startswith("_"):
            yield f"```text\n{name}.{method}{_signature(function)}\n```\n"
            yield f"{_markdown(_doc(function))}\n"


def _parameters(value: Any) -> Iterator[str]:
    """What the configuration calls each field, its type and its default."""
    if not (inspect.isclass(value) and issubclass(value, backend.BackendConfig)):
        return
    known = msgspec.structs.fields(value)
    if known:
        yield "| Parameter | Type | Default |\n|---|---|---|"
        for field in known:
            kind = _without_modules(str(inspect.get_annotations(value)[field.name]))
            yield f"| `{field.encode_name}` | `{kind}` | {field.default} |"
        yield ""


def _data_of(source: Any) -> dict[str, tuple[str, str]]:
    """Each assignment of a module or a class with what stands below it."""
    body = _tree(source).body
    body = body[0].body if isinstance(body[0], ast.ClassDef) else body
    found = {}
    for assigned, text in pairwise(body):
        if isinstance(assigned, ast.Assign | ast.AnnAssign) and isinstance(text, ast.Expr):
            target = assigned.target if isinstance(assigned, ast.AnnAssign) else assigned.targets[0]
            name, value = ast.unparse(target), ast.unparse(assigned.value or target)
            found[name] = f"{name} = {value}", inspect.cleandoc(ast.literal_eval(text.value))
    return found


def _harnesses() -> Iterator[str]:
    yield "## The harness of the kit\n"
    yield HARNESS_PREFACE
    for suite in SUITES:
        harness = suite.harness_type
        yield f"### {suite.__name__}\n\n{_markdown(_doc(suite))}\n"
        yield f"### {harness.__name__}\n\n{_doc(harness).partition('Attributes:')[0].rstrip()}\n"
        yield "| Field | Type | Required | Meaning |\n|---|---|---|---|"
        yield from _field_rows(harness)
        yield from _number_rows(suite)
        yield ""


def _field_rows(harness: type[Any]) -> Iterator[str]:
    hints, texts = get_type_hints(harness), meanings(harness)
    for field in fields(harness):
        kind = hints[field.name]
        shown = kind.__name__ if isinstance(kind, type) else _without_modules(str(kind))
        required = "yes" if field.default is MISSING else "no"
        yield _row(field.name, shown.removesuffix(" | None"), required, texts[field.name])


def _number_rows(suite: type) -> Iterator[str]:
    for kind in suite.__mro__[:-1]:
        for name, (_, text) in _data_of(kind).items():
            if isinstance(number := getattr(suite, name, None), int | float):
                yield _row(name, f"{type(number).__name__} = {number}", "no", text)


def _row(name: str, kind: str, required: str, text: str) -> str:
    meaning = " ".join(_markdown(text.removeprefix("Optional: ")).split())
    meaning = meaning[:1].upper() + meaning[1:]
    shown = kind.replace("|", r"\|")  # else it ends the cell
    return f"| `{name}` | `{shown}` | {required} | {meaning} |"


def _doc(value: object) -> str:
    return inspect.getdoc(value) or ""


class _Plain(str):
    """Is shown without quotes in a signature."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(called: Callable[..., Any]) -> str:
    signature = inspect.signature(called)
    parameters = [
        found.replace(annotation=_annotation(found.annotation), default=_default(found.default))
        for found in signature.parameters.values()
        if found.name not in {"self", "cls"}
    ]
    returned = signature.return_annotation
    returned = signature.empty if inspect.isclass(called) else _annotation(returned)
    return _without_modules(
        str(signature.replace(parameters=parameters, return_annotation=returned))
    )


def _annotation(value: Any) -> Any:
    return _Plain(value) if isinstance(value, str) else value


def _default(value: Any) -> Any:
    if isinstance(value, Path):
        return _Plain(f"Path({str(value)!r})")
    return _Plain(value.__name__) if isinstance(value, FunctionType) else value


def _without_modules(text: str) -> str:
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def _markdown(docstring: str) -> str:
    """The docstring's paragraphs; its sections and its example, which Markdown does not know."""
    text, _, example = docstring.partition("\nExample::\n")
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    text = re.sub(_SECTION, _section, text, flags=re.MULTILINE).rstrip()
    return f"{text}\n\n```python{dedent(example).rstrip()}\n```" if example else text


def _section(found: re.Match[str]) -> str:
    name, body = found[1], dedent(found[2])
    if name in {"Returns", "Guarantees"}:
        return f"**{name}:** {' '.join(body.split())}\n"
    joined = re.sub(r"\n +", " ", body.strip())
    return f"**{name}:**\n\n" + re.sub(r"^(\w+):", r"- `\1`:", joined, flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write("written: hooks.md, backend-api.md\n")
