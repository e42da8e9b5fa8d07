"""Writes hooks.md from the hookspecs and the conformance kit: `python docs/hooks.py`."""

# ruff: noqa: INP001 -- a script

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

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

PAGE = Path(__file__).with_name("hooks.md")
SPECS: tuple[type[BackendSpec], ...] = (
    *(BackendSpec, KekSpec, DeriverSpec, StorageSpec, ObserverSpec),
)
SUITES = (KekConformance, DeriverConformance, StorageConformance, ObserverConformance)
_SECTION = r"^(Args|Returns|Guarantees|Raises):\n((?: +\S.*\n?)+)"
PREFACE = """\
# Hooks

<!-- Written by `python docs/hooks.py` from the hookspecs and the conformance kit. -->

Every hook that core calls, as its hookspec has it. Below each stand the clauses that the
conformance kit checks: the kit's messages and tables quote them.
[Write a backend](writing-a-backend.md) shows how to begin, and [compatibility](compatibility.md)
says when a hookspec may change.
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([PREFACE, _markdown(inspect.getdoc(hookspecs) or ""), "", *_sections()])


def hooks_of(spec: type[BackendSpec]) -> list[str]:
    """The hooks that the spec itself adds, in their order."""
    return [name for name, hook in vars(spec).items() if hasattr(hook, "kms_core_spec")]


def _sections() -> Iterator[str]:
    for spec in SPECS:
        yield f"## {spec.__name__}\n\n{_markdown(inspect.getdoc(spec) or '')}\n"
        yield from _clauses(spec.__name__)
        for name in hooks_of(spec):
            hook = getattr(spec, name)
            yield f"### {spec.__name__}.{name}\n"
            yield f"```text\n{name}{_signature(hook)}\n```\n"
            yield f"{_markdown(inspect.getdoc(hook) or '')}\n"
            yield from _clauses(hook.__qualname__)


def _signature(hook: object) -> str:
    signature = inspect.signature(hook, eval_str=False)  # type: ignore[arg-type] # a function
    text = str(signature).replace("(self, ", "(").replace("(self)", "()")
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def _clauses(owner: str) -> Iterator[str]:
    found = (clause_of(suite, name) for suite in SUITES for name in dir(suite))
    texts = sorted({c.text for c in found if c is not None and c.owner == owner})
    if texts:
        yield "\n".join(["Checked by the kit:", "", *(f"- {text}" for text in texts), ""])


def _markdown(docstring: str) -> str:
    """The docstring's paragraphs; its sections and its example, which Markdown does not know."""
    text, _, example = docstring.partition("\nExample::\n")
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    text = re.sub(_SECTION, _section, text, flags=re.MULTILINE).rstrip()
    return f"{text}\n\n```python{dedent(example).rstrip()}\n```" if example else text


def _section(found: re.Match[str]) -> str:
    name, body = found[1], dedent(found[2])
    if name not in {"Args", "Raises"}:
        return f"**{name}:** {' '.join(body.split())}\n"
    joined = re.sub(r"\n +", " ", body.strip())
    return f"**{name}:**\n\n" + re.sub(r"^(\w+):", r"- `\1`:", joined, flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
