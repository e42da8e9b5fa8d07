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
    "migrate": "dek_move:migrate",
    "copy": "dek_move:copy",
    "export": "dek_archive:export",
    "import": "dek_archive:import_",
}


@click.group(cls=LazyGroup, places=_PLACES, no_args_is_help=False)
def dek() -> None:
    """Make, read, look after and move data encryption keys."""
