"""What the live services are known to answer, and how it is known: the files in ``answers/``.

A name that ends in ``?`` is on some answers only: a client must do without it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "answers"
ANY_CALL = "any call"


@dataclass(frozen=True)
class Row:
    """What one source says of a call's answers of one status."""

    call: str
    status: str
    evidence: str
    headers: tuple[str, ...]
    body: tuple[str, ...]
    """Paths of fields, or ``*`` for bytes that are passed on as they are."""


@dataclass(frozen=True)
class Table:
    """All that is known of one service."""

    service: str
    evidence: dict[str, str]
    codes: dict[str, str]
    """Error codes that a client may be told, and the key of their evidence."""
    rows: tuple[Row, ...]

    def find(self, call: str, status: int | str) -> list[Row]:
        """The rows of the call, or else those of any call; none if the answer is not known."""
        for name in (call, ANY_CALL):
            found = [row for row in self.rows if (row.call, row.status) == (name, str(status))]
            if found:
                return found
        return []


def read_table(name: str) -> Table:
    """The table of one service, such as ``s3``."""
    document = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    service, evidence = document.pop("service"), document.pop("evidence")
    codes = {code: key for key, names in document.pop("codes", {}).items() for code in names}
    return Table(service, evidence, codes, tuple(_rows(document)))


def read_tables() -> dict[str, Table]:
    """All tables, by the names of their files."""
    return {path.stem: read_table(path.stem) for path in sorted(FOLDER.glob("*.toml"))}


def _rows(calls: dict[str, Any]) -> Iterator[Row]:
    for call, answers in calls.items():
        for status, found in answers.items():
            for one in found:
                lists = (tuple(one.pop(name, ())) for name in ("headers", "body"))
                yield Row(call, status, one.pop("evidence"), *lists)
                assert not one, one
