"""``kms completion``: scripts for shells, and what they are told."""

from __future__ import annotations

import os
import re
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from kms_core import ConfigError
from kms_core.cli.session import CONFIG_FILE

VARIABLE = "_KMS_COMPLETE"
"""Set where a shell asks, and not a user."""

_EXAMPLES = """\b
Examples:
  kms completion fish >~/.config/fish/completions/kms.fish
  eval "$(kms completion bash)"    # in ~/.bashrc
  eval "$(kms completion zsh)"     # in ~/.zshrc, after compinit
"""


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write a script by which a shell completes commands, options, backends and profiles."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this click knows no {shell}")
    click.echo(kind(context.find_root().command, {}, "kms", VARIABLE).source())


@add_completion_class
class _Bash(BashComplete):
    """bash takes a colon for the end of a word, so a URI comes as several, and only the last of
    them is replaced.
    """

    _typed = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
        whole = re.sub(r"\n?([:=])(\n|$)", r"\1", "\n".join(words))
        args = split_arg_string(whole)
        incomplete = "" if whole.endswith("\n") else args.pop()
        self._typed = re.sub(r"--[\w-]+=", "", incomplete)
        return args[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        there, colon, _ = self._typed.rpartition(":")
        return f"{item.type},{item.value.removeprefix(there + colon)}"


class _WithOption(ShellComplete):
    """zsh and fish replace the whole word, in which the option may stand before its value."""

    _option = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        found = re.match(r"--[\w-]+=", incomplete)
        self._option = found[0] if found else ""
        return args, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        item.value = self._option + item.value
        return super().format_completion(item)


@add_completion_class
class _Zsh(_WithOption, ZshComplete):
    """For zsh."""


@add_completion_class
class _Fish(_WithOption, FishComplete):
    """For fish."""


def complete_backend(
    _context: click.Context, option: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The installed backends, as the beginnings of URIs."""
    from kms_core._plugins.registry import find_backends

    scheme = "kms" if option.name == "kek" else "storage"
    names = [f.backend for f in find_backends() if f.scheme == scheme]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_profile(
    context: click.Context, _option: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """The profiles of the config file that would be read."""
    from pathlib import Path

    from kms_core._config.environment import read_environment
    from kms_core._config.file import parse_text, read_profiles, read_text

    named = context.params.get("config_file") or read_environment().get("config")
    path = Path(named or CONFIG_FILE)
    try:
        profiles = read_profiles(parse_text(read_text(path), path), path)
    except ConfigError:
        return []
    return [CompletionItem(name) for name in profiles if name.startswith(incomplete)]
