"""Reads the documentation's Markdown."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", *sorted(ROOT.glob("kms-*/README.md"))]
PAGES = [*READMES, *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, kind: str) -> list[str]:
    """The texts of the page's fenced blocks of this kind."""
    return fenced(page.read_text("utf-8"), kind)


def fenced(text: str, kind: str) -> list[str]:
    """The fenced blocks of this kind in a text."""
    return [block for found, block in _FENCE.findall(text) if found == kind]


def links(page: Path) -> set[str]:
    """The files that the page links to."""
    return set(_LINK.findall(page.read_text("utf-8")))


def section(page: Path, heading: str) -> str:
    """What stands under a heading, up to the next one that is not below it."""
    level = len(heading.split(maxsplit=1)[0])
    _, found, text = page.read_text("utf-8").partition(f"\n{heading}\n")
    assert found, f"{name(page)} has no {heading!r}"
    return re.split(rf"^#{{1,{level}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]
