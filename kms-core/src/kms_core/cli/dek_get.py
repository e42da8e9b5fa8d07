"""``kms dek create``, ``get`` and ``list``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click

from kms_core import MAX_DEK_SIZE, DekIdError
from kms_core._values import DEFAULT_DEK_SIZE, check_dek_id
from kms_core.cli.failures import one_line
from kms_core.cli.output import output_option, write_output
from kms_core.cli.session import Session

P = ParamSpec("P")

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "hex": lambda dek: dek.hex().encode() + b"\n",
    "base64": lambda dek: b64encode(dek) + b"\n",
    "raw": bytes,
}


def _writes_dek(command: Callable[P, bytes]) -> Callable[..., None]:
    """Give a command that returns a DEK the options that say how and where to write it."""

    @wraps(command)
    def written(*args: Any, encoding: str, output: Path | None, **kwargs: Any) -> None:
        write_output(_ENCODERS[encoding](command(*args, **kwargs)), output)

    encoding = click.option(
        "--format",
        "encoding",
        type=click.Choice(list(_ENCODERS)),
        default="hex",
        show_default=True,
        help="How to write it. raw is its bytes and nothing else: a program that reads a line, as "
        "of a passphrase, cuts it at a NUL or a line break; give that one hex or base64.",
    )
    return click.argument("dek_id", metavar="ID")(encoding(output_option(written)))


_size: Any = click.IntRange(1, MAX_DEK_SIZE)
_CREATE_EXAMPLES = """\b
Examples:
  kms dek create volume-42
  kms dek create volume-42 --size 64 --format base64
"""


@click.command(epilog=_CREATE_EXAMPLES)
@_writes_dek
@click.option(
    "--size",
    type=_size,
    default=DEFAULT_DEK_SIZE,
    show_default=True,
    help="The DEK's size in bytes.",
)
@click.pass_obj
def create(session: Session, dek_id: str, size: int) -> bytes:
    """Make a DEK of this ID, and write it to standard output once it is stored.

    Fails if there is one already. Whoever can read the output has the DEK.
    """
    with session.sources().open() as kms:
        return kms.create_dek(dek_id, size=size)


_GET_EXAMPLES = """\b
Examples:
  kms dek get volume-42
  kms dek get volume-42 --create --output volume-42.key
  kms dek get volume-42 --format raw | cryptsetup open --key-file=- /dev/vdb data
"""


@click.command(epilog=_GET_EXAMPLES)
@_writes_dek
@click.option("--create", is_flag=True, help="Make the DEK first if there is none.")
@click.option(
    "--size",
    type=_size,
    help=f"The size in bytes that the DEK must have. A new one has {DEFAULT_DEK_SIZE} without it.",
)
@click.pass_obj
def get(session: Session, dek_id: str, size: int | None, *, create: bool) -> bytes:
    """Write the DEK of this ID to standard output.

    Whoever can read the output has the DEK.
    """
    with session.sources().open() as kms:
        return kms.get_dek(dek_id, size=size, create=create)


_LIST_EXAMPLES = """\b
Examples:
  kms dek list
  kms dek list --prefix volume- | wc -l
"""


@click.command("list", epilog=_LIST_EXAMPLES)
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
