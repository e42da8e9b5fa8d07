"""Writes what a command gives: to standard output, or to a file for its owner alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file, of mode 0600, in place of standard output. It is there whole or not "
    "at all.",
)


def write_fields(fields: Mapping[str, str | int], *, as_json: bool) -> None:
    """Write what is shown of one thing: one a line, or as one JSON object."""
    if as_json:
        click.echo(json.dumps(fields, ensure_ascii=False))
        return
    for name, value in fields.items():
        click.echo(f"{name:<12} {value}".rstrip())


def write_output(data: bytes, output: Path | None) -> None:
    """Write data; a file that is there is replaced at once."""
    from kms_core.builtin.file.disk import publish_over, translate_os_errors, write_temporary

    if output is None:
        click.echo(data, nl=False)
        return
    with translate_os_errors():
        if output.exists() and not output.is_file():  # a device or a pipe is not replaced
            output.write_bytes(data)
        else:
            publish_over(write_temporary(output.parent, data), output)
