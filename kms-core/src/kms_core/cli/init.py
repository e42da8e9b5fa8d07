"""``kms init``: a working configuration with a fresh secret."""

from __future__ import annotations

import secrets
import shlex
from base64 import urlsafe_b64encode
from pathlib import Path

import click
from click.core import ParameterSource

from kms_core.builtin.local.key_file import new_key_file
from kms_core.cli.lazy import LazyGroup
from kms_core.cli.new_files import Plan, create_all
from kms_core.cli.session import CONFIG_FILE, Session, environment

_SECRET_SIZE = 32

HEADER = "# Configuration of kms-core. A relative path starts at this file's folder.\n\n"
_LOCAL = f"""{HEADER}[kek]
backend = "local"
keyFile = "kek.toml"

[storage]
backend = "file"
path = "deks"
"""
_CLUSTER = f"""{HEADER}[kek]
backend = "cluster-kms"
keyFile = "master-secret"
saltFile = "salt"
"""
_EXAMPLES = """\b
Examples:
  kms init
  kms init --kek cluster-kms
  kms init aws
  kms --config /etc/kms/kms.toml init
"""


_PLACES = {cloud: f"init_cloud:{cloud}" for cloud in ("aws", "azure", "gcp")}


@click.group(
    cls=LazyGroup,
    places=_PLACES,
    invoke_without_command=True,
    no_args_is_help=False,
    subcommand_metavar="[aws|azure|gcp]",
    epilog=_EXAMPLES,
)
@click.option(
    "--kek",
    type=click.Choice(["local", "cluster-kms"]),
    default="local",
    show_default=True,
    help="local: a KEK in a file, with a folder of DEKs. cluster-kms: DEKs derived from a master "
    "secret, and not stored.",
)
@click.pass_context
def init(context: click.Context, kek: str) -> None:
    """Write a config file, for a KEK in a file or of a cloud. Nothing is ever overwritten.

    Without the name of a cloud, a fresh secret comes to stand beside it, and nothing is asked. With
    one, the file names a key and a store that are there; on a terminal `kms init` asks for them.

    The config file is the one of --config or KMS_CONFIG, or else ./kms.toml. The paths written
    go to standard output.
    """
    session: Session = context.obj
    if session.options.get("kek") or session.options.get("storage"):
        raise click.UsageError("init takes no URI; write `kms init --kek local` or `cluster-kms`")
    if context.invoked_subcommand is None:
        _write(config_path(session), kek)
    elif context.get_parameter_source("kek") is not ParameterSource.DEFAULT:
        raise click.UsageError("with the name of a cloud, init takes no --kek; leave one out")


def config_path(session: Session) -> Path:
    """The config file that is to be written."""
    return Path(session.sources().config or CONFIG_FILE)


def _write(config: Path, kek: str) -> None:
    _check_installed(kek)
    plan = _plan(kek, config)
    create_all(plan, private=True)
    secret_files = " and ".join(path.name for path, text in plan[:-1] if text)
    click.echo(f"kms: keep a backup of {secret_files}: without it no DEK can be read", err=True)
    # A derived DEK need not be made.
    command = "dek create volume-42" if kek == "local" else "dek get volume-42"
    click.echo(f"kms: now try: {next_command(config, command)}", err=True)


def _check_installed(kek: str) -> None:
    from kms_core._plugins.loader import load_backend

    load_backend("kms", kek)


def _plan(kek: str, config: Path) -> Plan:
    folder = config.parent
    if kek == "local":
        return [(folder / "kek.toml", new_key_file()), (folder / "deks", None), (config, _LOCAL)]
    secret_files: Plan = [(folder / name, _new_secret()) for name in ("master-secret", "salt")]
    return [*secret_files, (config, _CLUSTER)]


def _new_secret() -> str:
    return urlsafe_b64encode(secrets.token_bytes(_SECRET_SIZE)).decode() + "\n"


def next_command(config: Path, command: str) -> str:
    """A command that reads the config file, with the option for it if it needs one."""
    default = environment()
    if set(default.values) == {"config"} and Path(default.values["config"]) == config:
        return f"kms {command}"
    return f"kms --config {shlex.quote(str(config))} {command}"
