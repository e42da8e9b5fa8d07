"""``kms dek``: what can be done with DEKs."""

from __future__ import annotations

import click

from kms_core.cli.lazy import LazyGroup

_PLACES = {
    "create": "dek_get:create",
    "get": "dek_get:get",
    "list": "dek_get:list_",
    "show": "dek_show:show",
    "inventory": "dek_inventory:inventory",
    "rewrap": "dek_rewrap:rewrap",
    "delete": "dek_show:delete",
}


@click.group(cls=LazyGroup, places=_PLACES, no_args_is_help=False)
def dek() -> None:
    """Make, read and look after data encryption keys."""
