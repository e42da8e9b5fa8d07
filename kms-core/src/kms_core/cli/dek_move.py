"""``kms dek migrate`` and ``kms dek copy``: DEKs for another KEK or another store."""

from __future__ import annotations

from collections.abc import Callable

import click

from kms_core import Bulk, open_kms
from kms_core.cli.bulk import Run, bulk_options
from kms_core.cli.output import json_option
from kms_core.cli.session import Session

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Compare, but store nothing; say how many would be."
)


def _moving(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all of these take."""
    taking: Callable[..., None] = bulk_options(dry_run_option(json_option(command)))
    return taking


_MIGRATE_EXAMPLES = """\b
Examples:
  kms dek migrate --to-config new.toml --dry-run
  kms dek migrate --to-config new.toml
  kms --profile old dek migrate --to-profile new
  kms dek migrate --to-kek 'kms://aws?keyName=alias/deks' --to-storage 'storage://aws?bucket=deks'
"""


@click.command(epilog=_MIGRATE_EXAMPLES)
@_moving
@click.option("--to-config", metavar="PATH", help="The config file of where the DEKs go.")
@click.option(
    "--to-profile",
    metavar="NAME",
    help="A profile of --to-config; without that, of the config file that is read here.",
)
@click.option("--to-kek", metavar="URI", help="The KEK that wraps them there; as for --kek.")
@click.option("--to-storage", metavar="URI", help="The storage that keeps them; as for --kek.")
@click.pass_obj
def migrate(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    *,
    prefix: str,
    to_config: str | None,
    to_profile: str | None,
    to_kek: str | None,
    to_storage: str | None,
    dry_run: bool,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Bring the stored DEKs under another KEK and into another store, of whatever cloud.

    Each is read back there and compared. The source is only read, and nothing is overwritten: a DEK
    that is there already is compared. A run that is interrupted may be begun again. Exit code 1 if
    any DEK failed; the others are done.
    """
    if not (to_config or to_profile or (to_kek and to_storage)):
        raise click.UsageError(
            "say where to: --to-config, --to-profile, or --to-kek and --to-storage"
        )
    sources = session.sources()
    there = to_config or (sources.config if to_profile else None)
    if to_profile and not there:
        raise click.UsageError("--to-profile is one of a config file; give --to-config")
    run = Run("migrated", progress, dry_run, as_json)
    with (
        sources.open() as kms,
        open_kms(to_kek, to_storage, config=there, profile=to_profile) as to,
    ):
        bulk = Bulk(concurrency, rate)
        outcomes = kms.migrate_deks(to, prefix, dry_run=dry_run, bulk=bulk)
        report = run.go(outcomes, (kms, prefix))
    run.tell(report)


_COPY_EXAMPLES = """\b
Examples:
  kms dek copy --to-storage 'storage://aws?bucket=deks'
  kms dek copy --to-storage 'storage://file?path=/backup/deks'
"""


@click.command(epilog=_COPY_EXAMPLES)
@_moving
@click.option(
    "--to-storage", metavar="URI", required=True, help="The storage that gets them; as for --kek."
)
@click.pass_obj
def copy(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    *,
    prefix: str,
    to_storage: str,
    dry_run: bool,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Copy the records into another store, byte for byte and under the same KEK.

    The KMS is asked only where two records of one id differ. Otherwise as `kms dek migrate`.
    """
    sources = session.sources()
    run = Run("copied", progress, dry_run, as_json)
    with sources.open() as kms, sources.open(storage=to_storage) as to:
        outcomes = kms.copy_deks(to, prefix, dry_run=dry_run, bulk=Bulk(concurrency, rate))
        report = run.go(outcomes, (kms, prefix))
    run.tell(report)
