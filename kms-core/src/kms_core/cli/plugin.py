"""``kms plugin``: for those who write backends."""

from __future__ import annotations

import click

from kms_core.cli.plugin_check import check
from kms_core.cli.plugin_new import new


@click.group(no_args_is_help=False, commands=[new, check])
def plugin() -> None:
    """Write a backend, and check it."""
