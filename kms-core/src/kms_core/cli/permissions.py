"""``kms permissions``: the least policy of a provider, ready to paste."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from kms_core import BackendNotFoundError
from kms_core.cli.session import Session, Sources

_PURPOSES = ("get", "create", "rewrap", "migrate", "doctor")
_FORMS = ("policy", "bucket-policy", "access-policy")
_EXAMPLES = """\b
Examples:
  kms permissions aws >policy.json
  kms --config /etc/kms.toml permissions azure --for rewrap
  kms permissions aws --as bucket-policy
"""


@click.command(epilog=_EXAMPLES)
@click.argument("provider", metavar="aws|azure|gcp")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(_PURPOSES),
    default="create",
    show_default=True,
    help="What is to be allowed; to create includes to get.",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(_FORMS),
    default="policy",
    show_default=True,
    help="bucket-policy (aws): refuses who writes to the bucket without a condition. access-policy "
    "(azure): for a vault without roles.",
)
@click.pass_obj
def permissions(session: Session, provider: str, purpose: str, form: str) -> None:
    """Print the least policy that allows a program what it does, and nothing more.

    It is for the KEK and the storage of this provider that are configured. Where none is, what you
    have to put in stands there in capital letters. No service is asked.

    Plugins that have a policy may be named too.
    """
    write = _find_writer(provider)
    click.echo(write(purpose, [*_configs(session.sources(), provider)], form))


def _find_writer(provider: str) -> Any:
    from kms_core._plugins.loader import load_backend
    from kms_core.backend import BackendSpec

    for scheme in ("kms", "storage"):
        with suppress(BackendNotFoundError):
            implementation, _ = load_backend(scheme, provider)
            write = getattr(implementation, "write_policy", BackendSpec.write_policy)
            if write is not BackendSpec.write_policy:
                return write
    load_backend("kms", provider)  # says how to install it, if it is not there
    raise click.UsageError(f"{provider} does not say what it has to be allowed; see its own pages")


def _configs(sources: Sources, provider: str) -> Iterator[object]:
    from kms_core._plugins.prepared import prepare

    if sources.values:
        chosen = sources.choices()
        for one in (*chosen.keks, chosen.storage):
            if one.name == provider:
                yield prepare(one).config
