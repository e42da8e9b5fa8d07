"""``kms dek rewrap``: all DEKs under the newest version of the KEK."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import Literal

import click

from kms_core import Bulk
from kms_core.cli.bulk import Report, bulk_options, with_progress
from kms_core.cli.session import Session

_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EXAMPLES = """\b
Examples:
  kms dek rewrap --dry-run
  kms dek rewrap
  kms dek rewrap --only-kek-version 3 --rate 30
  kms dek rewrap --verify kms --json >report.json
"""


def _read_age(_context: object, _option: object, text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = _AGE.fullmatch(text)
    if found is None:
        raise click.BadParameter("an age is a number and s, m, h or d, such as 90d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@click.command(epilog=_EXAMPLES)
@bulk_options
@click.option("--only-kek-version", metavar="V", help="Only what this version of the KEK wrapped.")
@click.option(
    "--older-than",
    metavar="AGE",
    callback=_read_age,
    help="Only DEKs that were made longer ago, such as 90d, 12h, 30m.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say how many would be.")
@click.option(
    "--verify",
    type=click.Choice(["unwrap", "kms"]),
    default="unwrap",
    show_default=True,
    help="unwrap each DEK, before and after, and compare; or let the KMS rewrap inside, where it "
    "can (AWS), so that no DEK leaves it.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the report as one JSON object.")
@click.pass_obj
def rewrap(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    *,
    prefix: str,
    only_kek_version: str | None,
    older_than: timedelta | None,
    dry_run: bool,
    verify: Literal["unwrap", "kms"],
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Wrap each stored DEK again under the newest version of the KEK, if another one wrapped it.

    No DEK changes, and each can be read at every moment. A run that is interrupted may be begun
    again: it goes on where it was. Exit code 1 if any DEK failed; the others are done.
    """
    report = Report()
    with session.sources().open() as kms:
        outcomes = kms.rewrap_deks(
            prefix,
            only_kek_version=only_kek_version,
            older_than=older_than,
            dry_run=dry_run,
            verify=verify,
            bulk=Bulk(concurrency, rate),
        )
        for _ in report.take(with_progress(outcomes, kms, prefix, progress)):
            pass
    done = "would be rewrapped" if dry_run else "rewrapped"
    click.echo(report.as_json(dry_run=dry_run) if as_json else report.as_line(done))
    sys.exit(report.code)
