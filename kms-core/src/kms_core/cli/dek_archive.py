"""``kms dek export`` and ``kms dek import``: DEKs into a file, from a file, from Constellation."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from kms_core import Bulk, ConfigError, open_kek, open_kms
from kms_core.cli.bulk import Run, bulk_options
from kms_core.cli.dek_move import dry_run_option
from kms_core.cli.output import json_option
from kms_core.cli.session import Session

_CONSTELLATION = "constellation"
_EXPORT_EXAMPLES = """\b
Examples:
  kms dek export deks-2026-11-26.archive
  kms dek export --to-kek 'kms://local?keyFile=offline.toml' deks-2026-11-26.archive
"""


@click.command(epilog=_EXPORT_EXAMPLES)
@click.argument("file", type=click.Path(path_type=Path))
@bulk_options
@json_option
@click.option(
    "--to-kek",
    metavar="URI",
    help="Wrap the archive and each DEK in it under this KEK, in place of the one that wraps them "
    "now; as for --kek.",
)
@click.pass_obj
def export(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    file: Path,
    *,
    prefix: str,
    to_kek: str | None,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Write the stored DEKs into one archive, which only the KEK opens.

    FILE is of mode 0600; it is there whole or not at all, and one that is there is not overwritten.
    What cannot be read is left out and named, and then the exit code is 1.
    """
    from kms_core.builtin.file.disk import open_new, translate_os_errors

    if file.exists():
        raise ConfigError(f"already there, and never overwritten: {file}; use another name")
    run = Run("exported", progress, dry_run=False, as_json=as_json)
    with ExitStack() as opened:
        kms = opened.enter_context(session.sources().open())
        to = opened.enter_context(open_kek(to_kek)) if to_kek else None
        with translate_os_errors(), open_new(file) as archive:
            outcomes = kms.export_deks(archive, prefix, to=to, bulk=Bulk(concurrency, rate))
            report = run.go(outcomes, (kms, prefix))
    run.tell(report)


_IMPORT_EXAMPLES = """\b
Examples:
  kms dek import deks-2026-11-26.archive --dry-run
  kms dek import deks-2026-11-26.archive
  kms dek import deks-2026-11-26.archive volume-42 volume-43
  kms dek import --from-kek 'kms://local?keyFile=offline.toml' deks-2026-11-26.archive
  kms dek import constellation --from 'storage://aws?…' --from-kek 'kms://aws?…'
"""


@click.command("import", epilog=_IMPORT_EXAMPLES)
@click.argument("source", metavar="FILE|constellation")
@click.argument("dek_ids", metavar="[ID]...", nargs=-1)
@bulk_options
@dry_run_option
@json_option
@click.option(
    "--from", "from_storage", metavar="URI", help="The storage of Constellation; as for --kek."
)
@click.option(
    "--from-kek",
    metavar="URI",
    help="The KEK of the archive, if it is another one than that of the store, or the KEK of "
    "Constellation; as for --kek.",
)
@click.pass_obj
def import_(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    source: str,
    dek_ids: tuple[str, ...],
    *,
    prefix: str,
    from_storage: str | None,
    from_kek: str | None,
    dry_run: bool,
    concurrency: int,
    rate: float | None,
    progress: str,
    as_json: bool,
) -> None:
    """Store the DEKs of an archive, or only these IDs; or those of Constellation's library.

    All of the archive is checked before the first DEK is stored. Nothing is overwritten: a DEK that
    is there already is compared. Exit code 1 if any DEK failed; the others are done.
    """
    bulk, run = Bulk(concurrency, rate), Run("imported", progress, dry_run, as_json)
    with ExitStack() as opened:
        kms = opened.enter_context(session.sources().open())
        if source == _CONSTELLATION:
            if not (from_storage and from_kek) or dek_ids:
                raise click.UsageError(
                    "give --from and --from-kek and no ID; a file of this name is ./constellation"
                )
            there = opened.enter_context(open_kms(from_kek, from_storage))
            outcomes = kms.import_constellation(there, prefix, dry_run=dry_run, bulk=bulk)
        else:
            if from_storage:
                raise click.UsageError("--from is for constellation; an archive is a file")
            kek = opened.enter_context(open_kek(from_kek)) if from_kek else None
            outcomes = kms.import_deks(
                opened.enter_context(_open(source)),
                prefix,
                dek_ids=dek_ids or None,
                source=kek,
                dry_run=dry_run,
                bulk=bulk,
            )
        report = run.go(outcomes)
    run.tell(report)


def _open(path: str) -> BinaryIO:
    from kms_core.builtin.file.disk import translate_os_errors

    with translate_os_errors():
        try:
            return Path(path).open("rb")
        except FileNotFoundError:
            raise ConfigError(f"there is no file {path!r}; give the path of an archive") from None
