"""``kms dek``: get and list DEKs."""

from __future__ import annotations

from base64 import b64encode

import click

from kms_core import MAX_DEK_SIZE, DekIdError
from kms_core._values import check_dek_id
from kms_core.cli.failures import one_line
from kms_core.cli.session import Session


@click.group(no_args_is_help=False)
def dek() -> None:
    """Get and list data encryption keys."""


_GET_EXAMPLES = """\b
Examples:
  kms dek get volume-42
  kms dek get volume-42 --no-create --format base64
  kms dek get volume-42 --format raw | cryptsetup open --key-file=- /dev/vdb data
"""


@dek.command(epilog=_GET_EXAMPLES)
@click.argument("dek_id", metavar="ID")
@click.option(
    "--size",
    type=click.IntRange(1, MAX_DEK_SIZE),
    default=32,
    show_default=True,
    help="The DEK's size in bytes.",
)
@click.option(
    "--format",
    "encoding",
    type=click.Choice(["hex", "base64", "raw"]),
    default="hex",
    show_default=True,
    help="How to write it; raw is its bytes and nothing else.",
)
@click.option("--no-create", is_flag=True, help="Fail if there is no such DEK yet.")
@click.pass_obj
def get(session: Session, dek_id: str, size: int, encoding: str, *, no_create: bool) -> None:
    """Write the DEK of this ID to standard output; make it first if there is none.

    Whoever can read the output has the DEK.
    """
    with session.sources().open() as kms:
        dek_bytes = kms.get_dek(dek_id, size=size, create=not no_create)
    if encoding == "raw":
        click.echo(dek_bytes, nl=False)
    else:
        click.echo(dek_bytes.hex() if encoding == "hex" else b64encode(dek_bytes))


_LIST_EXAMPLES = """\b
Examples:
  kms dek list
  kms dek list --prefix volume- | wc -l
"""


@dek.command("list", epilog=_LIST_EXAMPLES)
@click.option("--prefix", default="", help="Only ids that start with this.")
@click.pass_obj
def list_(session: Session, prefix: str) -> None:
    """Write the id of each stored DEK, one a line, in UTF-8 and in no order."""
    with session.sources().open() as kms:
        for dek_id in kms.list_dek_ids(prefix):
            try:
                click.echo(check_dek_id(dek_id))
            except DekIdError as error:
                click.echo(f"kms: warning: left out {dek_id!r}: {one_line(str(error))}", err=True)
