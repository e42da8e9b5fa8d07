"""The table and the plots of docs/performance.md, made of `results.json`.

Usage: python -m benchmarks.report writes them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.rounds import Row

RESULTS = Path(__file__).with_name("results.json")
DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
PLOTS = {
    "aws-read": ("AWS: read", "CPU of reading one DEK on AWS, beside boto3 alone"),
    "aws-create": ("AWS: create", "CPU of creating one DEK on AWS, beside boto3 alone"),
    "cached-read": ("A read from the cache", "CPU of a read from the cache, beside kms-core"),
}
_BETWEEN = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
_OPENING = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'height="{height}" role="img" aria-labelledby="title">'
)
_LEFT, _WIDTH, _BAR, _STEP = 230, 760, 18, 30  # of a plot, in pixels


def write(results: dict[str, Any]) -> None:
    """Write the page's part and the plots."""
    for path, text in make(results).items():
        path.write_text(text, encoding="utf-8")


def make(results: dict[str, Any]) -> dict[Path, str]:
    """The text of each file that follows from the results."""
    rows = [Row(**row) for each in results["rows"].values() for row in each]
    part = f"{_about(results)}\n\n{''.join(_table(rows))}"
    page = PAGE.read_text("utf-8")
    made = {PAGE: _BETWEEN.sub(lambda found: f"{found[1]}\n{part}\n{found[2]}", page)}
    for name, (question, title) in PLOTS.items():
        if chosen := [row for row in rows if row.question == question]:
            made[DOCS / "diagrams" / f"bench-{name}.svg"] = plot(title, chosen)
    return made


def _about(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return (
        f"Measured on {results['date']} by `nox -s bench`: Python {results['python']}, "
        f"{results['machine']}, a load of {results['load']} from others and from this. {versions}."
    )


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| | cost | ratio | aim |\n|---|---|---|---|\n"
    for question, each in groupby(rows, key=lambda row: row.question):
        yield f"| **{question}** | | | |\n"
        for row in each:
            cost = f"{_short(row.value)} {row.unit}"
            shown = "" if row.ratio in {None, 1.0} else f"{row.ratio:.2f}"
            yield f"| {row.who} | {cost} | {shown} | {_verdict(row)} |\n"


def _verdict(row: Row) -> str:
    if not row.aim:
        return ""
    relation, limit = row.aim.split()
    seen = row.value if row.ratio is None else row.ratio
    kept = round(seen, 2) <= float(limit) if relation == "≤" else round(seen, 2) >= float(limit)
    return row.aim if kept else f"{row.aim}: missed"


def _short(value: float) -> str:
    """Three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 -- three digits


def plot(title: str, rows: list[Row]) -> str:
    """Bars, as long as the costs. What a library writes is many times that, and less stable."""
    most = max(row.value for row in rows)
    height = 50 + _STEP * len(rows)
    lines = [
        _OPENING.format(width=_WIDTH, height=height),
        f'  <title id="title">{escape(title)}</title>',
        "  <style>",
        "    text { font: 14px system-ui, sans-serif; fill: #1a1a1a; }",
        "    .head { font-weight: 600; }",
        "    .who { text-anchor: end; }",
        "    .bar { fill: #8a9bb5; }",
        "    .ours { fill: #2f5d9b; }",
        "  </style>",
        f'  <rect fill="#fff" width="{_WIDTH}" height="{height}" rx="8"/>',
        f'  <text class="head" x="20" y="28">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        y, kind = 46 + _STEP * number, "bar ours" if row.who == "kms-core" else "bar"
        width = max(1, round((_WIDTH - _LEFT - 160) * row.value / most))
        told = f"{_short(row.value)} {row.unit}"
        if row.ratio not in {None, 1.0}:
            told += f", {row.ratio:.2f} times"
        lines += [
            f'  <text class="who" x="{_LEFT - 10}" y="{y + 14}">{escape(row.who)}</text>',
            f'  <rect class="{kind}" x="{_LEFT}" y="{y}" width="{width}" height="{_BAR}"/>',
            f'  <text x="{_LEFT + width + 8}" y="{y + 14}">{told}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    write(json.loads(RESULTS.read_text("utf-8")))
