"""``kms kek``: show and rotate the KEK."""

from __future__ import annotations

from dataclasses import asdict

import click

from kms_core.cli.output import json_option, write_fields
from kms_core.cli.session import Session

_AFTER = (
    "then see that the new version wraps (kms kek show), and rewrap the DEKs under it: "
    "kms dek rewrap"
)


@click.group(no_args_is_help=False)
def kek() -> None:
    """Show and rotate the key encryption key."""


_SHOW_EXAMPLES = """\b
Examples:
  kms kek show
  kms kek show --json | jq -r .kek_version
"""


@kek.command(epilog=_SHOW_EXAMPLES)
@json_option
@click.pass_obj
def show(session: Session, *, as_json: bool) -> None:
    """Ask the KMS for the KEK that wraps, and write its name, newest version and algorithm.

    Nothing of it is secret.
    """
    with session.sources().open() as kms:
        described = kms.describe_kek()
    fields = {name: value for name, value in asdict(described).items() if value}
    write_fields(fields, as_json=as_json)


_ROTATE_EXAMPLES = """\b
Examples:
  kms kek rotate
  kms --config /etc/kms.toml kek rotate
"""


@kek.command(epilog=_ROTATE_EXAMPLES)
@click.pass_context
def rotate(context: click.Context) -> None:
    """Make a new version of the KEK that wraps, and write the version to standard output.

    kms://local is rotated in its key file, at once and durably; back that up afterwards. In a cloud
    an admin rotates the KEK: the command that does it is written to standard output in place of a
    version, nothing is rotated, and the exit code is 1.
    """
    session: Session = context.obj
    with session.sources().open_kek() as opened:
        command = opened.rotation_command()
        version = None if command else opened.rotate().kek_version
    click.echo(command or version)
    if command:
        click.echo("kms: nothing is rotated yet: run this command as an admin of the KEK", err=True)
        click.echo(f"kms: {_AFTER}", err=True)
        context.exit(1)
    click.echo(
        f"kms: version {version} wraps from now on; back up the KEK before you make a DEK, give it "
        "to each machine that uses it, and restart the programs that wrap",
        err=True,
    )
    click.echo(f"kms: {_AFTER}", err=True)
