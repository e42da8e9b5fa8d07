"""``kms plugin``: for those who write backends."""

from __future__ import annotations

import click

from kms_core.cli.lazy import LazyGroup

_PLACES = {"new": "plugin_new:new", "check": "plugin_check:check"}


@click.group(cls=LazyGroup, places=_PLACES, no_args_is_help=False)
def plugin() -> None:
    """Write a backend, and check it."""
