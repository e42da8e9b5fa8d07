"""Writes the page of what the live services answer: python -m tests.fakes.live.page"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.fakes.live.table import Row, Table, read_tables

PAGE = Path(__file__).with_name("README.md")
_HEAD = """# What the live services answer

Written by `python -m tests.fakes.live.page` from `answers/`; change it there.

These are all the answers that our clients, and the SDKs under them, may ask anything of. The tests
reach every test server through [a form](form.py) that lets nothing else through. So a client that
demands what has no evidence fails its own tests. A name that ends in `?` is on some answers only,
and the tests have it on every second one: a client must do without it. An answer that has no
Content-Length is sent in chunks. `*` is a body that is passed on as it is.
"""


def write_page() -> str:
    """The page."""
    return "\n".join([_HEAD, *(line for t in read_tables().values() for line in _section(t))])


def _section(table: Table) -> Iterator[str]:
    yield f"## {table.service}"
    yield ""
    yield "| call | status | headers | body | known from |"
    yield "|---|---|---|---|---|"
    yield from map(_line, table.rows)
    yield ""
    yield "Error codes that a client knows: " + "; ".join(_codes(table)) + "."
    yield ""
    yield from (f"- **{key}**: {text}" for key, text in table.evidence.items())
    yield ""


def _line(row: Row) -> str:
    headers, body = (", ".join(f"`{name}`" for name in names) for names in (row.headers, row.body))
    return f"| {row.call} | {row.status} | {headers} | {body} | {row.evidence} |"


def _codes(table: Table) -> Iterator[str]:
    for key in dict.fromkeys(table.codes.values()):
        names = ", ".join(f"`{code}`" for code, known in table.codes.items() if known == key)
        yield f"{names} ({key})"


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
