"""Creates files and folders: all of them or none, and never over what is there."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import click

from kms_core import ConfigError
from kms_core.builtin.file.disk import sync_folder, translate_os_errors

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

Plan: TypeAlias = list[tuple[Path, str | None]]
"""What to create, in this order: a file with its text, or a folder."""


def create_all(plan: Plan, *, private: bool) -> None:
    """Create what is planned, durably, and write its paths to standard output.

    Args:
        plan: what to create; no folder of it is there yet.
        private: whether it is for the owner alone, as secrets are, or for whom the umask lets.

    Raises:
        ConfigError: something of it is already there; nothing was created.
        OperationError: something cannot be created; what had been is removed again.
    """
    _refuse_overwriting(plan)
    with translate_os_errors(), ExitStack() as undo:
        for path, text in plan:
            try:
                _create(path, text, 0o700 if private else 0o777, undo)
            except FileExistsError:  # since we looked
                raise ConfigError(already_there(str(path))) from None
        for folder in {path.parent for path, _ in plan}:
            sync_folder(folder)
        undo.pop_all()
    click.echo("kms: wrote", err=True)
    click.echo(b"\n".join(os.fsencode(path) for path, _ in plan))


def _refuse_overwriting(plan: Plan) -> None:
    there = [path for path, _ in plan if os.path.lexists(path)]
    if there:
        outermost = [str(path) for path in there if path.parent not in there]
        raise ConfigError(already_there(", ".join(outermost)))


def already_there(path: str) -> str:
    """What is said of what is in the way."""
    return f"already there, and never overwritten: {path}; move it away, or use another folder"


def _create(path: Path, text: str | None, mode: int, undo: ExitStack) -> None:
    if text is None:
        path.mkdir(mode)
        undo.callback(path.rmdir)
        return
    descriptor = os.open(path, _NEW_FILE, mode & 0o666)
    undo.callback(path.unlink)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
