"""``kms dek inventory``: which version of which KEK wraps how many DEKs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from kms_core import Bulk, ConfigError, DekInfo, Kms, KmsError, Outcome
from kms_core.cli.bulk import Report, bulk_options, with_progress
from kms_core.cli.failures import one_line
from kms_core.cli.output import json_option, write_output
from kms_core.cli.session import Session

if TYPE_CHECKING:
    from rich.table import Table

_WIDTH = 160
"""Columns where there is no terminal: the full name of a KEK of Google has over a hundred."""
_BAR = 24
_HIDDEN = "not visible"
_EXAMPLES = """\b
Examples:
  kms dek inventory
  kms dek inventory --deep --json
  kms dek inventory --needs-kek-version 3 || echo 'version 3 is still needed'
"""


class Wrapper(NamedTuple):
    """What wraps DEKs: a version of a KEK."""

    provider: str
    kek_id: str
    kek_version: str
    algorithm: str


@dataclass(slots=True)
class Group:
    """The DEKs that one version wraps."""

    count: int
    oldest: datetime
    newest: datetime


class Inventory:
    """Groups DEKs by what wraps them."""

    def __init__(self) -> None:
        self.groups: dict[Wrapper, Group] = {}

    def add(self, info: DekInfo) -> None:
        """Count a DEK."""
        version = info.kek_version or info.key_material
        wrapper = Wrapper(info.provider, info.kek_id, version, info.algorithm)
        group = self.groups.setdefault(wrapper, Group(0, info.created, info.created))
        group.count += 1
        group.oldest = min(group.oldest, info.created)
        group.newest = max(group.newest, info.created)

    def rows(self) -> Iterator[tuple[Wrapper, Group]]:
        """What wraps most first."""
        yield from sorted(self.groups.items(), key=lambda row: (-row[1].count, row[0]))

    def needing(self, kek_version: str) -> int:
        """How many DEKs the version wraps.

        Raises:
            ConfigError: which version wrapped is not visible.
        """
        if any(not wrapper.kek_version for wrapper in self.groups):
            raise ConfigError("the KMS keeps to itself which version wrapped; say --deep as well")
        counts = {w.kek_version: g.count for w, g in self.rows()}
        return counts.get(kek_version, 0)


@click.command(epilog=_EXAMPLES)
@bulk_options
@click.option(
    "--deep",
    is_flag=True,
    help="Ask the KMS which version wrapped where a record does not say (AWS): one call a DEK.",
)
@click.option(
    "--needs-kek-version",
    metavar="V",
    help="Exit with 0 only if no DEK needs this version, and every record could be read.",
)
@json_option
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also save the table as a page.",
)
@click.pass_obj
def inventory(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    *,
    prefix: str,
    deep: bool,
    needs_kek_version: str | None,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
    html: Path | None,
) -> None:
    """Count the stored DEKs by the KEK and the version that wraps them.

    Exit code 1 if a record cannot be read: it is named on standard error.
    """
    found, report = Inventory(), Report(as_json)
    with session.sources().open() as kms:
        outcomes: Iterator[Outcome] = kms.describe_deks(
            prefix, deep=deep, bulk=Bulk(concurrency, rate)
        )
        for outcome in report.take(with_progress(outcomes, (kms, prefix), progress)):
            if outcome.dek is not None:
                found.add(outcome.dek)
        old = _count_old(kms, prefix)
    if as_json:
        keks = [_as_json(*row) for row in found.rows()]
        click.echo(report.to_json(keks=keks, old_records=old if isinstance(old, int) else None))
    _show(found, report, html, old, quiet=as_json)
    if needs_kek_version is not None:
        needing = found.needing(needs_kek_version)
        click.echo(f"kms: {needing} DEKs need version {needs_kek_version!r}", err=True)
        sys.exit(1 if needing else report.code)
    sys.exit(report.code)


def _as_json(wrapper: Wrapper, group: Group) -> dict[str, Any]:
    times = {name: f"{getattr(group, name):%Y-%m-%dT%H:%M:%SZ}" for name in ("oldest", "newest")}
    return {**wrapper._asdict(), "deks": group.count, **times}


def _count_old(kms: Kms, prefix: str) -> int | str:
    """How many older records the store keeps, or why nobody knows."""
    try:
        count = kms.count_old_records(prefix)
    except KmsError as error:
        return f"not known: {one_line(str(error))}"
    return "not known: this storage does not tell" if count is None else count


def _show(
    found: Inventory, report: Report, html: Path | None, old: int | str, *, quiet: bool
) -> None:
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(width=width, record=html is not None, quiet=quiet, highlight=False)
    console.print(_table(found))
    counts = report.counts
    console.print(f"{counts['done']} DEKs, {counts['failed']} unreadable")
    console.print(f"older records that the store keeps: {old}")
    if html is not None:
        write_output(console.export_html().encode(), html)


def _table(found: Inventory) -> Table:
    from rich.bar import Bar
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("KEK", "VERSION", "DEKS", "", "OLDEST", "NEWEST"):
        table.add_column(name, justify="right" if name == "DEKS" else "left", overflow="fold")
    most = max((group.count for group in found.groups.values()), default=0)
    for wrapper, group in found.rows():
        table.add_row(
            f"{wrapper.provider} {wrapper.kek_id}",
            wrapper.kek_version or _HIDDEN,
            str(group.count),
            Bar(most, 0, group.count, width=_BAR),
            f"{group.oldest:%Y-%m-%d}",
            f"{group.newest:%Y-%m-%d}",
        )
    return table
