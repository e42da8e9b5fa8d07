"""What is done with stored DEKs, and what the documentation says that it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from kms_core import Bulk, Kms
from tests.docs.pages import DOCS, section

PAGE = DOCS / "providers" / "upkeep.md"
ONE = Bulk(concurrency=1)
OPERATIONS: Mapping[str, Callable[[Kms], object]] = {
    "describe_dek": lambda kms: kms.describe_dek("due"),
    "list_dek_ids": lambda kms: [*kms.list_dek_ids()],
    "describe_deks": lambda kms: expect_done(kms.describe_deks(bulk=ONE)),
    "describe_deks(deep=True)": lambda kms: expect_done(kms.describe_deks(deep=True, bulk=ONE)),
    "rewrap_deks": lambda kms: expect_done(kms.rewrap_deks(bulk=ONE)),
    'rewrap_deks(verify="kms")': lambda kms: expect_done(kms.rewrap_deks(verify="kms", bulk=ONE)),
    "count_old_records": lambda kms: kms.count_old_records(),
    "delete_dek": lambda kms: kms.delete_dek("due"),
}
_ROW = re.compile(r"^\| `([^`]*)`[^|]*\| ([^|]*) \|$", re.MULTILINE)


def expect_done(outcomes: Iterator[object]) -> None:
    """Raise what went wrong."""
    for seen in outcomes:
        error = getattr(seen, "error", None)
        if error is not None:
            raise error
        assert getattr(seen, "outcome", "") == "done"


def documented(cloud: str) -> dict[str, list[str]]:
    """Each operation of the cloud's table, and its calls in their order."""
    rows = _ROW.findall(section(PAGE, f"## {cloud}"))
    return {operation: re.findall(r"`([^`]*)`", calls) for operation, calls in rows}
