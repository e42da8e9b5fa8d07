"""Pictures of what commands write: drawn from their real output, and compared with it.

``pytest -n 0 --write-pages tests/docs/test_captures.py tests/aws/test_doctor.py`` draws them anew.
"""

from __future__ import annotations

import re
from html import escape, unescape

import pytest

from tests.docs.pages import DOCS

FOLDER = DOCS / "captures"
_CHARACTER, _LINE, _MARGIN = 7.83, 18, 16  # of 13 pixels
_STYLE = """text { font: 13px ui-monospace, monospace; fill: #d7dce5; white-space: pre; }
    .page { fill: #1b2130; }
    .asked { fill: #fff; font-weight: 600; }
    .ok { fill: #8fd694; }
    .finding { fill: #f2c261; }
    .failed { fill: #f28b82; }"""
_TEXT = re.compile(r"<text[^>]*>(.*?)</text>")


def compare(
    config: pytest.Config, name: str, title: str, text: str, varying: str = r"(?!)"
) -> None:
    """The picture shows this text, or is drawn.

    Args:
        config: whether it is to be drawn.
        name: of the file.
        title: what it shows, for who cannot see it.
        text: the command after ``$``, and what it writes.
        varying: a pattern of what differs from run to run.
    """
    picture = FOLDER / f"{name}.svg"
    if config.getoption("--write-pages"):
        FOLDER.mkdir(exist_ok=True)
        picture.write_text(_draw(title, text.splitlines()), "utf-8")
    shown = [unescape(line) for line in _TEXT.findall(picture.read_text("utf-8"))]
    same = [re.sub(varying, "…", "\n".join(lines)) for lines in (shown, text.splitlines())]
    assert same[0] == same[1], "pytest --write-pages draws it"


def _draw(title: str, lines: list[str]) -> str:
    width = round(max(map(len, lines)) * _CHARACTER) + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    texts = (
        f'  <text class="{_class(line)}" x="{_MARGIN}" y="{_MARGIN + number * _LINE - 4}" '
        f'xml:space="preserve">{escape(line)}</text>'
        for number, line in enumerate(lines, 1)
    )
    head = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {head} aria-labelledby="title">',
            f'  <title id="title">{escape(title)}</title>',
            f"  <style>\n    {_STYLE}\n  </style>",
            f'  <rect class="page" width="{width}" height="{height}" rx="8"/>',
            *texts,
            "</svg>\n",
        ]
    )


def _class(line: str) -> str:
    first = line.partition(" ")[0]
    return {"$": "asked"}.get(first, first if first in {"ok", "finding", "failed"} else "rest")
