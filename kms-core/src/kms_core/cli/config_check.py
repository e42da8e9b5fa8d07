"""``kms config check``: each mistake in a config file, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from kms_core import ConfigError
from kms_core.cli.failures import one_line
from kms_core.cli.session import Session

if TYPE_CHECKING:
    from kms_core._config.choices import ChosenBackend
    from kms_core._config.place import Names, Place

Mistake: TypeAlias = "tuple[Names, str]"

_LINE = re.compile(r" \(at line (\d+), column \d+\)\Z")
_END = "(at end of document)"
_FIRST_NAME = re.compile(r"(?:\S+: )*(\w*)")
"""In a message, what it is about: ``kms://aws: region is no region``."""

_EXAMPLES = """\b
Examples:
  kms config check
  kms --config /etc/kms.toml config check
"""


@click.command(epilog=_EXAMPLES)
@click.pass_context
def check(context: click.Context) -> None:
    """Say what is wrong in the config file: all of it, in all of its profiles, with the lines.

    The backends' modules are imported and files of secrets are read, but nothing is opened: no KMS
    and no store is asked. Exit code 2 if anything is wrong.
    """
    from kms_core._config.file import read_text

    session: Session = context.obj
    config = session.sources().config
    if config is None:
        raise ConfigError("there is no config file; give --config or KMS_CONFIG, or run `kms init`")
    text, path = read_text(config), Path(config)
    found = dict.fromkeys(_mistakes(text, path))
    for line, problem in sorted(_located(text, list(found))):
        click.echo(f"{path}:{line}: {one_line(problem.removeprefix(f'{path}: '))}")
    if found:
        context.exit(2)
    click.echo(f"kms: {path}: nothing is wrong", err=True)


def _located(text: str, found: list[Mistake]) -> Iterator[tuple[int, str]]:
    from kms_core._config.lines import find_lines, nearest

    lines = find_lines(text, [names for names, _ in found])
    for names, problem in found:
        line = _LINE.search(problem)  # of what is no TOML
        last = len(text.splitlines()) if problem.endswith(_END) else nearest(lines, names)
        yield (int(line[1]) if line else last), problem


def _mistakes(text: str, path: Path) -> Iterator[Mistake]:
    from kms_core._config.file import PARTS, PROFILE, parse_text, read_profiles
    from kms_core._config.place import Place

    top = Place(path.absolute().parent, path)
    try:
        document = parse_text(text, path)
        profiles = read_profiles(document, path)
    except ConfigError as error:
        yield top.at(PROFILE).names, str(error)
        return
    yield from _mistakes_in(document, top, [*PARTS, PROFILE])
    if "kek" not in document and not profiles:
        yield top.names, "it names no KEK; add [kek]"
    for name, tables in profiles.items():
        place = top.at(PROFILE, name)
        yield from _mistakes_in(tables, place, PARTS)
        if "kek" not in tables:
            yield place.names, f"profile {name!r} names no KEK; add [{PROFILE}.{name}.kek]"


def _mistakes_in(
    tables: Mapping[str, object], place: Place, known: Sequence[str]
) -> Iterator[Mistake]:
    from kms_core._config.unknown import find_unknown

    where = ".".join(map(str, place.names)) or "file"
    for name, problem in find_unknown(where, "table", tables, known):
        yield place.at(name).names, problem
    if "cache" in tables:
        yield from _mistakes_of_cache(tables["cache"], place.at("cache"))
    keks = [*_each("kek", tables, place)]
    chosen: list[ChosenBackend] = []
    for part, value, there in (
        *keks,
        *_each("storage", tables, place),
        *_each("observers", tables, place),
    ):
        yield from _mistakes_of(part, value, there, chosen)
    yield from _mistakes_of_keks(len(keks), chosen, place.at("kek"))


def _each(
    part: str, tables: Mapping[str, object], place: Place
) -> Iterator[tuple[str, object, Place]]:
    """The backends of a part."""
    value, there = tables.get(part), place.at(part)
    if isinstance(value, list) and value and part != "storage":
        yield from ((part, one, there.at(number)) for number, one in enumerate(value))
    elif part in tables and (part, value) != ("observers", []):
        yield part, value, there


def _mistakes_of(
    part: str, value: object, place: Place, chosen: list[ChosenBackend]
) -> Iterator[Mistake]:
    """What is wrong with one backend, which joins the chosen ones if nothing is."""
    from kms_core._config.choices import CHOOSE
    from kms_core._plugins.prepared import find_mistakes

    unset = dict(_unset(value, place))
    others = value
    if isinstance(value, Mapping):
        others = {name: one for name, one in value.items() if place.at(name).names not in unset}
    yield from unset.items()
    in_list = isinstance(place.names[-1], int)
    try:
        read: Any = CHOOSE[part]([others] if in_list else others, place)
    except ConfigError as error:
        if not unset:
            yield _about(place, str(error))
        return
    backend = read if part == "storage" else read[0]
    mistakes = find_mistakes(backend)
    for name, problem in mistakes:
        if name:
            yield place.at(name).names, problem
        elif not unset:  # or what is unset would seem to be missing
            yield _about(place, problem)
    if not mistakes and not unset:
        chosen.append(backend)


def _unset(value: object, place: Place) -> Iterator[Mistake]:
    """The variables of the environment that are not set."""
    values = value if isinstance(value, Mapping) else {}
    for name, one in values.items():
        try:
            place.at(name).fill(one)
        except ConfigError as error:
            yield place.at(name).names, str(error)


def _mistakes_of_keks(
    number: int, chosen: Sequence[ChosenBackend], place: Place
) -> Iterator[Mistake]:
    from kms_core._plugins.prepared import prepare_keks

    keks = [backend for backend in chosen if backend.scheme == "kms"]
    if len(keks) == number:
        try:
            prepare_keks(keks)
        except ConfigError as error:
            yield place.names, str(error)


def _mistakes_of_cache(value: object, place: Place) -> Iterator[Mistake]:
    from kms_core._config.choices import CHOOSE

    try:
        CHOOSE["cache"](value, place)
    except ConfigError as error:
        yield _about(place, str(error))


def _about(place: Place, problem: str) -> Mistake:
    found = _FIRST_NAME.match(problem)
    return place.at(found[1] if found else "").names, problem
