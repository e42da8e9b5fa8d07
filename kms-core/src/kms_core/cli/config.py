"""``kms config``: what is configured, without its secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_core.cli.session import Session, Sources
from kms_core.hookspecs import DeriverSpec
from kms_core.opening import configure, load_plugin

if TYPE_CHECKING:
    from kms_core.config import BackendConfig
    from kms_core.settings import BackendSettings

_EXAMPLES = """\b
Examples:
  kms config show
  kms --config /etc/kms.toml config show
"""


@click.group(no_args_is_help=False)
def config() -> None:
    """Look at the configuration."""


@config.command(epilog=_EXAMPLES)
@click.pass_obj
def show(session: Session) -> None:
    """Write the configuration in effect as TOML, with secrets as ********** and full paths.

    The backends' modules are imported, but nothing is opened.
    """
    text = "\n".join(_sections(session.sources()))
    click.echo(text.encode(errors="surrogateescape"))


def _sections(sources: Sources) -> Iterator[str]:
    settings = sources.settings()
    _, spec, _ = load_plugin("kms", settings.kek.name)
    yield from _section("[kek]", sources.origin("kek"), settings.kek)
    storage = settings.storage
    if spec is DeriverSpec:
        yield f"\n# {storage.backend} is not used: {settings.kek.backend} derives its DEKs"
    else:
        yield from _section("\n[storage]", sources.origin("storage"), storage)
    for observer in settings.observers:
        yield from _section("\n[[observers]]", sources.origin("observers"), observer)


def _section(header: str, origin: str, settings: BackendSettings) -> Iterator[str]:
    plugin, _, found = load_plugin(settings.scheme, settings.name)
    parameters = configure(plugin, settings, found)
    yield f"{header}  # {origin}"
    yield f"backend = {json.dumps(settings.name)}"
    for name, field in type(parameters).model_fields.items():
        value = getattr(parameters, name)
        if value is not None:
            alias = field.alias or name
            elsewhere = _origin(parameters, name, alias, settings)
            yield f"{alias} = {_show(value)}" + (f"  # {elsewhere}" if elsewhere else "")


def _origin(parameters: BackendConfig, name: str, alias: str, settings: BackendSettings) -> str:
    """Where a parameter comes from if it does not stand beside the backend's name."""
    if name not in parameters.model_fields_set:
        return "default"
    if alias in settings.parameters:
        return ""
    file = settings.parameters.get(f"{alias}File")
    if file is None:
        return "environment"
    return str((settings.folder / Path(str(file)).expanduser()).absolute())


def _show(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    from kms_core.config import SecretBytes, SecretStr

    if isinstance(value, (SecretBytes, SecretStr)):
        return "**********"
    return str(value.absolute() if isinstance(value, Path) else value)
