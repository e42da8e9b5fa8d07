"""``kms wrap`` and ``kms unwrap``: the KEK alone, for data that the caller keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from kms_core import ConfigError
from kms_core._values import MAX_DATA_SIZE
from kms_core.cli.output import output_option, write_output
from kms_core.cli.session import Session

_MAX_BLOB_SIZE = 65536
"""Far more bytes than any KEK makes of the most that it wraps."""


def _takes_context(command: Callable[..., bytes]) -> Callable[..., None]:
    """Give a command that returns bytes a context, and the option that says where to write."""

    @wraps(command)
    def written(*args: Any, pairs: tuple[str, ...], output: Path | None, **kwargs: Any) -> None:
        write_output(command(*args, context=_context(pairs), **kwargs), output)

    option = click.option(
        "--context",
        "pairs",
        metavar="NAME=TEXT",
        multiple=True,
        help="What the data is bound to, not secret; may be given more than once.",
    )
    with_context: Callable[..., None] = option(output_option(written))
    return with_context


def _read_input(size: int) -> bytes:
    if sys.stdin is None:  # so Python has it where a shell has closed it
        raise ConfigError("standard input is closed; give the data as a file or a pipe")
    try:
        return sys.stdin.buffer.read(size)
    except OSError as error:
        raise ConfigError(
            f"standard input: {error.strerror or 'it cannot be read'}; give the data as a file or "
            "a pipe"
        ) from error


def _context(pairs: tuple[str, ...]) -> dict[str, str]:
    context: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name in context:
            raise click.UsageError(f"--context is NAME=TEXT, each NAME once; not {pair!r}")
        context[name] = text
    return context


_WRAP_EXAMPLES = """\b
Examples:
  kms wrap --context purpose=backup --output secret.blob <secret
  kms --kek 'kms://local?keyFile=kek.toml' wrap <secret >secret.blob
"""


@click.command(epilog=_WRAP_EXAMPLES)
@_takes_context
@click.pass_obj
def wrap(session: Session, context: dict[str, str]) -> bytes:
    """Wrap standard input, of 1 to 4064 bytes, and write the blob to standard output.

    Keep the blob and the context: nothing is stored elsewhere. Neither of them is secret.
    """
    data = _read_input(MAX_DATA_SIZE + 1)
    with session.sources().open_kek() as kek:
        return kek.wrap(data, context)


_UNWRAP_EXAMPLES = """\b
Examples:
  kms unwrap --context purpose=backup --output secret <secret.blob
"""


@click.command(epilog=_UNWRAP_EXAMPLES)
@_takes_context
@click.pass_obj
def unwrap(session: Session, context: dict[str, str]) -> bytes:
    """Unwrap a blob from standard input, and write the data to standard output.

    Whoever can read the output has the data.
    """
    blob = _read_input(_MAX_BLOB_SIZE)
    with session.sources().open_kek() as kek:
        return kek.unwrap(blob, context)
