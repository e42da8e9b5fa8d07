"""``kms audit``: whether anybody changed an audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from kms_core import ConfigError


@click.group(no_args_is_help=False)
def audit() -> None:
    """Look at the trails of observer://audit."""


_EXAMPLES = """\b
Examples:
  kms audit verify audit.jsonl
  kms audit verify audit.jsonl.2 audit.jsonl.1 audit.jsonl
  zcat audit.jsonl.2.gz | kms audit verify - audit.jsonl.1 audit.jsonl
"""


@audit.command(epilog=_EXAMPLES)
@click.argument("files", metavar="FILE...", type=click.File("rb"), nargs=-1, required=True)
@click.option(
    "--head",
    "heads",
    metavar="CHAIN:NUMBER:HASH",
    multiple=True,
    help="A head that an earlier run wrote: the trail has to have this line, or to follow it. May "
    "be given more than once.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file with the key, if the trail is written under one.",
)
@click.pass_context
def verify(
    context: click.Context, files: Sequence[BinaryIO], heads: Sequence[str], key_file: Path | None
) -> None:
    """Find lines that were changed, dropped, doubled or put into another order.

    Give rotated files in their order, the oldest first; - is standard input. What is found goes to
    standard error, by file and line; the exit code is 1 if the chain is broken. Standard output
    gets the head of each chain: note it elsewhere, because a trail whose end was cut off is
    otherwise as good as whole.
    """
    from kms_core.builtin.audit.chain import Head, Sealer
    from kms_core.builtin.audit.verify import Finding, Verifier

    try:
        noted = [Head.parse(head) for head in heads]
    except ValueError as error:
        raise click.UsageError(f"--head: {error}") from None
    verifier, broken = Verifier(Sealer(_read_key(key_file)), noted), False

    def tell(name: str, finding: Finding) -> bool:
        place = f"{name}:{finding.line}: " if finding.line else ""
        click.echo(f"kms: {place}{finding.problem}", err=True)
        return finding.is_broken

    for file in files:
        for finding in verifier.read(file):
            broken |= tell(file.name, finding)
    for finding in verifier.finish():
        broken |= tell("", finding)
    for head in verifier.heads:
        click.echo(head)
    if broken:
        context.exit(1)


def _read_key(path: Path | None) -> bytes | None:
    from kms_core.backend import SecretBytes, read_secret_file

    if path is None:
        return None
    try:
        return SecretBytes.from_file(read_secret_file(path)).get_secret_value()
    except ValueError as error:
        raise ConfigError(f"key file {str(path)!r} {error}") from None
