"""The messages on the page about troubleshooting are those of the code."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, ROOT

TABLES = (DOCS / "troubleshooting.md").read_text("utf-8")
MESSAGES = re.findall(r"^\| `(.+?)` \| ", TABLES.replace("`kms", "kms"), re.MULTILINE)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Each string of the code; what stands in braces in an f-string is `…`."""
    files = [path.read_text("utf-8") for path in ROOT.glob("kms-*/src/**/*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file))]
    return [text for node in nodes if (text := _text(node))]


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_the_page_has_messages() -> None:
    assert len(MESSAGES) > 30


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_has_the_message(message: str, texts: list[str]) -> None:
    pieces = re.split(r" ?… ?", message)  # a message may be put together of several strings
    assert [piece for piece in pieces if not any(piece in text for text in texts)] == []
