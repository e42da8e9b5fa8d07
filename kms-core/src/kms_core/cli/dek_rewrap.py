"""``kms dek rewrap``: all DEKs under the newest version of the KEK."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from kms_core import Bulk, ConfigError, Kms, Outcome
from kms_core.cli.bulk import Run, bulk_options
from kms_core.cli.output import json_option
from kms_core.cli.session import Session, Sources

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
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Let the workers of this Dask scheduler do it, such as tcp://scheduler:8786. Each reads "
    "the config file for itself, at the same path. Needs kms-core[dask].",
)
@json_option
@click.pass_obj
def rewrap(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    *,
    prefix: str,
    only_kek_version: str | None,
    older_than: timedelta | None,
    dry_run: bool,
    verify: Literal["unwrap", "kms"],
    dask: str | None,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Wrap each stored DEK again under the newest version of the KEK, if another one wrapped it.

    No DEK changes, and each can be read at every moment. A run that is interrupted may be begun
    again: it goes on where it was. Exit code 1 if any DEK failed; the others are done.
    """
    sources = session.sources()
    run = Run("rewrapped", progress, dry_run, as_json)
    how = partial(
        _on_dask(dask, sources) if dask else Kms.rewrap_deks,
        only_kek_version=only_kek_version,
        older_than=older_than,
        dry_run=dry_run,
        verify=verify,
        bulk=Bulk(concurrency, rate),
    )
    with sources.open() as kms:
        report = run.go(how(kms, prefix), (kms, prefix))
    run.tell(report)


def _on_dask(scheduler: str, sources: Sources) -> Callable[..., Iterator[Outcome]]:
    """As Kms.rewrap_deks, elsewhere."""
    try:
        from kms_core._on_dask import rewrap_on_dask
    except ImportError as error:
        raise ConfigError("Dask is not installed; pip install 'kms-core[dask]'") from error
    if sources.kind == "option" and not set(sources.values) <= {"config", "profile"}:
        raise click.UsageError(
            "--dask takes no --kek and no --storage: a URI may hold a secret, which must not "
            "travel; write a config file that each worker has at the same path"
        )
    config = None if sources.kind == "environment" else str(Path(sources.config or "").absolute())
    named = (config, sources.values.get("profile"))

    def rewrap_there(kms: Kms, prefix: str, **options: Any) -> Iterator[Outcome]:
        return rewrap_on_dask(scheduler, named, kms.list_dek_ids(prefix), **options)

    return rewrap_there
