"""``kms init``: a working configuration with a fresh secret."""

from __future__ import annotations

import os
import secrets
import shlex
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import click

from kms_core import ConfigError
from kms_core.backends.disk import explained, sync_folder
from kms_core.backends.key_file import new_key_file
from kms_core.cli.session import CONFIG_FILE, Session, environment

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_SECRET_SIZE = 32

_HEADER = "# Configuration of kms-core. A relative path starts at this file's folder.\n\n"
_LOCAL = f"""{_HEADER}[kek]
backend = "local"
keyFile = "kek.toml"

[storage]
backend = "file"
path = "deks"
"""
_CLUSTER = f"""{_HEADER}[kek]
backend = "cluster-kms"
keyFile = "master-secret"
saltFile = "salt"
"""
_EXAMPLES = """\b
Examples:
  kms init
  kms init --kek cluster-kms
  kms --config /etc/kms/kms.toml init
"""

_Plan: TypeAlias = list[tuple[Path, str | None]]
"""What to create, in this order: a file with its text, or a folder."""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--kek",
    type=click.Choice(["local", "cluster-kms"]),
    default="local",
    show_default=True,
    help="local: a KEK in a file, with a folder of DEKs. cluster-kms: DEKs derived from a master "
    "secret, and not stored.",
)
@click.pass_obj
def init(session: Session, kek: str) -> None:
    """Write a config file and a fresh secret beside it. Nothing is ever overwritten.

    The config file is the one of --config or KMS_CONFIG, or else ./kms.toml. The paths written
    go to standard output.
    """
    if session.options.get("kek") or session.options.get("storage"):
        raise click.UsageError("init takes no URI; write `kms init --kek local` or `cluster-kms`")
    config = Path(session.sources().config or CONFIG_FILE)
    _check_installed(kek)
    plan = _plan(kek, config)
    _refuse_overwriting(plan)
    _create_all(plan)
    click.echo("kms: wrote", err=True)
    click.echo(b"\n".join(os.fsencode(path) for path, _ in plan))
    secret_files = " and ".join(path.name for path, text in plan[:-1] if text)
    click.echo(f"kms: keep a backup of {secret_files}: without it no DEK can be read", err=True)
    click.echo(f"kms: now try: {_next_command(config)}", err=True)


def _check_installed(kek: str) -> None:
    from kms_core.resolver import load_backend

    load_backend("kms", kek)


def _plan(kek: str, config: Path) -> _Plan:
    folder = config.parent
    if kek == "local":
        return [(folder / "kek.toml", new_key_file()), (folder / "deks", None), (config, _LOCAL)]
    secret_files: _Plan = [(folder / name, _new_secret()) for name in ("master-secret", "salt")]
    return [*secret_files, (config, _CLUSTER)]


def _new_secret() -> str:
    return urlsafe_b64encode(secrets.token_bytes(_SECRET_SIZE)).decode() + "\n"


def _refuse_overwriting(plan: _Plan) -> None:
    there = [str(path) for path, _ in plan if os.path.lexists(path)]
    if there:
        raise ConfigError(_already_there(", ".join(there)))


def _already_there(path: str) -> str:
    return f"already there, and never overwritten: {path}; move it away, or use another folder"


def _create_all(plan: _Plan) -> None:
    with explained(), ExitStack() as undo:
        for path, text in plan:
            try:
                _create(path, text, undo)
            except FileExistsError:  # since we looked
                raise ConfigError(_already_there(str(path))) from None
        sync_folder(plan[-1][0].parent)
        undo.pop_all()


def _create(path: Path, text: str | None, undo: ExitStack) -> None:
    if text is None:
        path.mkdir(mode=0o700)
        undo.callback(path.rmdir)
        return
    descriptor = os.open(path, _NEW_FILE, 0o600)
    undo.callback(path.unlink)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _next_command(config: Path) -> str:
    default = environment()
    if set(default.values) == {"config"} and Path(default.values["config"]) == config:
        return "kms dek get volume-42"
    return f"kms --config {shlex.quote(str(config))} dek get volume-42"
