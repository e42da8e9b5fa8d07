"""``kms config``: what is configured, without its secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms_core.cli.lazy import LazyGroup
from kms_core.cli.session import Session, Sources

if TYPE_CHECKING:
    from kms_core._config.cache import CacheSettings
    from kms_core._config.choices import ChosenBackend
    from kms_core._plugins.prepared import PreparedBackend

_EXAMPLES = """\b
Examples:
  kms config show
  kms --config /etc/kms.toml config show
"""


@click.group(
    cls=LazyGroup,
    places={
        "show": "config:show",
        "check": "config_check:check",
        "schema": "config_schema:schema",
    },
    no_args_is_help=False,
)
def config() -> None:
    """Look at the configuration, and check it."""


@click.command(epilog=_EXAMPLES)
@click.pass_obj
def show(session: Session) -> None:
    """Write the configuration in effect as TOML, with secrets as ********** and full paths.

    The backends' modules are imported, but nothing is opened.
    """
    text = "\n".join(_sections(session.sources()))
    click.echo(text.encode(errors="surrogateescape"))


def _sections(sources: Sources) -> Iterator[str]:
    from kms_core._config.choices import CREATE_DEKS
    from kms_core._plugins.prepared import prepare, prepare_keks
    from kms_core.backend import DeriverSpec

    chosen, storage = sources.choices(), sources.choices().storage
    keks = prepare_keks(chosen.keks)
    for number, kek in enumerate(keks):
        header = "[kek]" if len(keks) == 1 else "[[kek]]"
        yield from _section("\n" * bool(number) + header, sources.origin("kek"), kek)
    derives = keks[0].spec is DeriverSpec
    if derives:
        yield f"\n# {storage.backend} is not used: {keks[0].found.backend} derives its DEKs"
    else:
        yield from _section("\n[storage]", sources.origin("storage"), prepare(storage))
        if not chosen.may_create:
            yield f"{CREATE_DEKS} = false"
    yield from _cache(sources.origin("cache"), chosen.cache, derives=derives)
    for observer in chosen.observers:
        yield from _section("\n[[observers]]", sources.origin("observers"), prepare(observer))


def _cache(origin: str, cache: CacheSettings | None, *, derives: bool) -> Iterator[str]:
    if cache is None:
        return
    if derives:
        yield "\n# the cache is not used, likewise"
        return
    yield f"\n[cache]  # {origin}"
    for name, value in cache.named().items():
        yield f"{name} = {value}"


def _section(header: str, origin: str, prepared: PreparedBackend) -> Iterator[str]:
    from msgspec.structs import fields

    from kms_core._config.choices import RETIRED_VERSIONS

    parameters, chosen = prepared.config, prepared.chosen
    yield f"{header}  # {origin}"
    yield f"backend = {json.dumps(chosen.name)}"
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if value is not None:
            elsewhere = _origin(field.encode_name, value, chosen)
            shown = f"{field.encode_name} = {_show(_written(field.encode_name, value, chosen))}"
            yield shown + (f"  # {elsewhere}" if elsewhere else "")
    if chosen.retired_versions:
        retired = _written(RETIRED_VERSIONS, chosen.retired_versions, chosen)
        yield f"{RETIRED_VERSIONS} = {_show(retired)}"


def _origin(name: str, value: object, chosen: ChosenBackend) -> str:
    """Where a parameter comes from if it does not stand beside the backend's name."""
    from kms_core.backend.secret import Secret

    if name in chosen.parameters and not isinstance(value, Secret):
        return ""
    file = _written(f"{name}File", chosen.parameters.get(f"{name}File"), chosen)
    if not isinstance(value, Secret):
        return "default"
    if file is None:
        return "" if name in chosen.parameters.keys() - chosen.written else "environment"
    return str((chosen.folder / Path(str(file)).expanduser()).absolute())


def _written(name: str, value: object, chosen: ChosenBackend) -> object:
    """A parameter, with the names of environment variables in place of what they say."""
    from kms_core.backend.secret import Secret

    return value if isinstance(value, Secret) else chosen.written.get(name, value)


def _show(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    from kms_core.backend.secret import Secret

    if isinstance(value, Secret):
        return "**********"
    return str(value.absolute() if isinstance(value, Path) else value)
