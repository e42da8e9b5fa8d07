"""Every command and option is on the pages about the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kms_core.cli.main import kms

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("cli*.md"))


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        assert command is not None
        if isinstance(command, click.Group) and command.invoke_without_command:
            yield f"{name} {part}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


@pytest.mark.parametrize(("name", "command"), [("What it opens", kms), *commands(kms, "kms")])
def test_a_section_names_each_option(name: str, command: click.Command) -> None:
    text = "".join(page.read_text() for page in PAGES)
    [_, section] = re.split(rf"^## (?:.+ and )?{name}(?: and .+)?$", text, flags=re.MULTILINE)
    section = section.partition("\n## ")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section
