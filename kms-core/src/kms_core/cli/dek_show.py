"""``kms dek show`` and ``kms dek delete``: one stored DEK, without the KMS."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from kms_core import DekInfo, RecordError
from kms_core.cli.failures import one_line
from kms_core.cli.output import json_option, write_fields
from kms_core.cli.session import Session

_SHOW_EXAMPLES = """\b
Examples:
  kms dek show volume-42
  kms dek show volume-42 --json | jq -r .kek_version
"""


@click.command(epilog=_SHOW_EXAMPLES)
@click.argument("dek_id", metavar="ID")
@json_option
@click.pass_obj
def show(session: Session, dek_id: str, *, as_json: bool) -> None:
    """Write what the record of a DEK says: size, time, KEK. The KMS is not asked.

    Nothing of it is secret.
    """
    with session.sources().open() as kms:
        fields = as_fields(kms.describe_dek(dek_id))
    write_fields(fields, as_json=as_json)


def as_fields(info: DekInfo) -> dict[str, str | int]:
    """What is shown of a DEK, in this order."""
    shown = asdict(info) | {"created": info.created.isoformat().replace("+00:00", "Z")}
    if not info.key_material:
        del shown["key_material"]
    return shown


_DELETE_EXAMPLES = """\b
Examples:
  kms dek delete volume-42
  kms dek delete volume-42 --yes
"""


@click.command(epilog=_DELETE_EXAMPLES)
@click.argument("dek_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@click.pass_obj
def delete(session: Session, dek_id: str, *, yes: bool) -> None:
    """Delete a DEK: what it encrypted can never be read again.

    Older versions of the record may survive in the store and in backups. A record that has changed
    since it was shown is not deleted.
    """
    with session.sources().open() as kms:
        try:
            info = kms.describe_dek(dek_id)
        except RecordError as error:  # it may be deleted all the same
            click.echo(f"kms: warning: {one_line(str(error))}", err=True)
            revision, what = None, "which cannot be read"
        else:
            revision, what = info.revision, f"of {info.size} bytes, made {info.created:%Y-%m-%d}"
        if not yes:
            _ask(dek_id, what)
        kms.delete_dek(dek_id, revision=revision)
    click.echo(f"kms: deleted {dek_id!r}", err=True)


def _ask(dek_id: str, what: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to ask; say --yes if the DEK is to be deleted")
    question = f"Delete DEK {dek_id!r}, {what}? What it encrypted can never be read again"
    click.confirm(question, abort=True, err=True)
