"""``kms auth-key``: an authentication key for a KEK with a public half."""

from __future__ import annotations

from pathlib import Path

import click

from kms_core import ConfigError
from kms_core.cli.output import output_option, write_output
from kms_core.cli.session import Session, Sources

_EXAMPLES = """\b
Examples:
  kms --kek 'kms://azure?vaultName=my-vault&keyName=deks' auth-key
  kms --config /etc/kms.toml auth-key --output /etc/kms-auth-key
"""


@click.command(epilog=_EXAMPLES)
@output_option
@click.pass_obj
def auth_key(session: Session, output: Path | None) -> None:
    """Make an authentication key for a KEK whose public half others may have, such as an RSA key.

    Writes what the KEK's configuration is to have as authKey, or in a file as authKeyFile. It is
    not secret, but keep it: no DEK that is made with it can be read without it. Make it once,
    before the first DEK.
    """
    from kms_core.backend.auth_key import make_auth_key

    sources = session.sources()
    _check_takes_one(sources)
    with sources.open_kek() as kek:
        write_output(f"{make_auth_key(kek.wrap)}\n".encode(), output)


def _check_takes_one(sources: Sources) -> None:
    from kms_core._plugins.prepared import prepare

    chosen = sources.choices().keks[0]
    config = prepare(chosen).config
    if not hasattr(config, "auth_key"):
        raise ConfigError(f"{chosen.backend} takes no authKey: it needs none")
    if config.auth_key is not None:
        raise ConfigError(
            f"{chosen.backend} has an authKey; DEKs made with it need it, so keep it, or leave it "
            "out to make one for other DEKs"
        )
