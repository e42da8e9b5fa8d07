"""The command ``kms``: its options, and what it does with an error."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from kms_core.cli.failures import report
from kms_core.cli.lazy import LazyGroup
from kms_core.cli.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_PLACES = {
    "init": "init:init",
    "doctor": "doctor:doctor",
    "permissions": "permissions:permissions",
    "dek": "dek:dek",
    "kek": "kek:kek",
    "wrap": "wrap:wrap",
    "unwrap": "wrap:unwrap",
    "auth-key": "auth_key:auth_key",
    "audit": "audit:audit",
    "backends": "backends:backends",
    "config": "config:config",
    "completion": "completion:completion",
    "plugin": "plugin:plugin",
}

_EXAMPLES = """\b
Examples:
  kms init
  kms dek create volume-42
  kms dek get volume-42
  kms --config /etc/kms.toml dek list
  kms --kek 'kms://local?keyFile=kek.toml' --storage 'storage://file?path=deks' dek get a
"""


def _completes(what: str) -> Callable[..., list[CompletionItem[str]]]:
    """What completes a value in a shell; it is imported where a shell asks."""

    def complete(*asked: Any) -> list[CompletionItem[str]]:
        module = import_module("kms_core.cli.completion")
        found: list[CompletionItem[str]] = getattr(module, f"complete_{what}")(*asked)
        return found

    return complete


@click.group(cls=LazyGroup, places=_PLACES, no_args_is_help=False, epilog=_EXAMPLES)
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    metavar="PATH",
    help="The config file, in TOML.",
)
@click.option(
    "--profile",
    metavar="NAME",
    shell_complete=_completes("profile"),
    help="A profile in the config file that is read, whichever it is.",
)
@click.option(
    "--kek",
    metavar="URI",
    shell_complete=_completes("backend"),
    multiple=True,
    help="The KEK, in place of the config file's. Given more than once, the first wraps, and all "
    "unwrap. Other users of the machine can see a command line (ps): a secret belongs in a "
    "file or in the environment, not in this URI.",
)
@click.option(
    "--storage",
    metavar="URI",
    shell_complete=_completes("backend"),
    help="The storage, in place of the config file's. As for --kek.",
)
@click.option("--debug", is_flag=True, help="Show where an error comes from (a traceback).")
@click.version_option(package_name="kms-core", message="%(prog)s %(version)s")
@click.pass_obj
def kms(  # noqa: PLR0913 -- an argument for each option
    session: Session,
    config_file: str | None,
    profile: str | None,
    kek: tuple[str, ...],
    storage: str | None,
    *,
    debug: bool,
) -> None:
    """Get data encryption keys (DEKs) that a key encryption key (KEK) protects.

    Without --config, --kek and --storage the environment says what to open: KMS_CONFIG,
    KMS_PROFILE, KMS_KEK_URI and KMS_STORAGE_URI. Where it names no file and no URI, ./kms.toml is
    read.
    """
    session.debug = debug
    if not debug and logging.lastResort is not None:
        logging.lastResort.addFilter(_is_of_no_sdk)
    named = {"config": config_file, "profile": profile}
    session.options = {**named, "kek": kek or None, "storage": storage}


def _is_of_no_sdk(record: logging.LogRecord) -> bool:
    """An error is one line; what an SDK logs of it as well, Python would show besides."""
    from kms_core.backend.sdk import is_not_muted

    return is_not_muted(record)


def main() -> None:
    """Run ``kms`` and exit: 0 done, 1 it failed, 2 wrong usage or config, 75 try again later."""
    session = Session()
    if "_KMS_COMPLETE" in os.environ:
        import_module("kms_core.cli.completion")
    try:
        code = kms.main(prog_name="kms", obj=session, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 -- all of them become one line and an exit code
        code = report(error, debug=session.debug)
    sys.exit(code)
