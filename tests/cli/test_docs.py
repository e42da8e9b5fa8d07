"""Every command and option is on the page about the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from kms_core.cli.main import kms

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    for part, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")
        else:
            yield f"{name} {part}", command


@pytest.mark.parametrize(("name", "command"), [("What it opens", kms), *commands(kms, "kms")])
def test_a_section_names_each_option(name: str, command: click.Command) -> None:
    _, found, rest = PAGE.read_text().partition(f"\n## {name}\n")
    assert found
    section = rest.partition("\n## ")[0]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert f"`{parameter.opts[0]}" in section
