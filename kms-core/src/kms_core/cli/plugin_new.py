"""``kms plugin new``: the project of a plugin that works as it comes."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from kms_core import ConfigError
from kms_core._config.uri import NAME_RULE, is_name
from kms_core.cli.new_files import create_all
from kms_core.cli.scaffold.project import KINDS, project_names, project_plan

_EXAMPLES = """\b
Examples:
  kms plugin new acme --kind kek
  kms plugin new acme --kind storage --folder ~/src/kms-acme
"""


def _check_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not is_name(name):
        raise click.BadParameter(f"a name has {NAME_RULE}")
    return name


@click.command(epilog=_EXAMPLES)
@click.argument("name", callback=_check_name)
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    required=True,
    help="kek: wraps DEKs. storage: keeps records. deriver: derives DEKs, which are not stored. "
    "observer: receives an event for each call.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    show_default="kms-NAME",
    help="The project's folder.",
)
def new(name: str, kind: str, folder: Path | None) -> None:
    """Write a project for a backend of this NAME: code, tests, checks and CI.

    It works and passes its tests as it comes: put calls of your service in place of what it does.
    The distribution is kms-NAME. Nothing is ever overwritten. The paths written go to standard
    output.
    """
    names = project_names(name, kind)
    _refuse_taken(names["backend"], names["distribution"])
    folder = folder or Path(names["distribution"])
    create_all(project_plan(folder, names), private=False)
    click.echo(
        f"kms: now try: cd {shlex.quote(str(folder))} && python3 -m venv .venv && "
        ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
        err=True,
    )


def _refuse_taken(backend: str, distribution: str) -> None:
    from kms_core._plugins.registry import EXTRAS, find_backends

    claims = {known: f"kms-{extra}" for known, extra in EXTRAS.items()}
    claims |= {found.backend: found.distribution.partition(" ")[0] for found in find_backends()}
    for claimed, owner in claims.items():
        if backend == claimed or distribution == owner:
            raise ConfigError(f"the name is taken: there is {claimed} of {owner}; choose another")
