"""``kms plugin check``: the conformance kit on a backend as it is configured."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING

import click

from kms_core._config.uri import parse_uri
from kms_core.errors import show_name

if TYPE_CHECKING:
    import pytest
    from click._termui_impl import ProgressBar

    from kms_core._plugins.prepared import PreparedBackend
    from kms_core.testing._live.live import Live, Outcome

_ONLY_MAINTENANCE = 3
_SHOWN = 3
_EXAMPLES = """\b
Examples:
  kms plugin check 'storage://file?path=deks'
  kms plugin check 'kms://local?keyFile=a.toml' --other 'kms://local?keyFile=b.toml'
"""


@click.command(epilog=_EXAMPLES)
@click.argument("uri")
@click.option(
    "--other",
    metavar="URI",
    help="Another KEK of the same provider; without it the clauses about two are skipped.",
)
@click.option(
    "--pages",
    is_flag=True,
    help="Create 1006 records as well, to check that ids beyond the first page are listed.",
)
@click.pass_context
def check(context: click.Context, uri: str, other: str | None, *, pages: bool) -> None:
    """Check the backend of this URI against each clause of its hookspec, on its real service.

    It needs pytest (pip install 'kms-core[testing]'). In a store it uses ids of its own, which
    begin with kms-check-, and removes them again where it may.
    As for --kek, a secret belongs in a file or in the environment, not in the URI.

    Exits with 1 if a clause is broken that get_dek needs, or one of an observer, and with 3 if
    get_dek is safe, and only what rewraps, deletes, lists or asks for health is broken.
    """
    backend = _prepare(uri)
    _reach(backend)
    try:
        from kms_core.testing._live.live import Live
    except ModuleNotFoundError as error:
        raise click.ClickException(str(error)) from error
    live = Live(backend, _prepare(other) if other else None, pages)
    outcome = _run(live)
    _show(live, outcome)
    broken = [row for row in outcome.table.rows() if row.is_broken]
    if broken:
        context.exit(1 if any(row.serves_get_dek for row in broken) else _ONLY_MAINTENANCE)


def _prepare(uri: str) -> PreparedBackend:
    from kms_core._config.choices import ChosenBackend, choose_kek
    from kms_core._plugins.prepared import prepare
    from kms_core._plugins.registry import GROUPS

    scheme = uri.partition("://")[0]
    if scheme not in GROUPS:
        known = ", ".join(GROUPS)
        raise click.UsageError(f"the scheme of a backend's URI is one of {known}")
    if scheme == "kms":
        return prepare(choose_kek(uri))
    name, parameters = parse_uri(uri, scheme)
    return prepare(ChosenBackend(scheme, name, parameters))


def _reach(backend: PreparedBackend) -> None:
    """Say at once, in one line, what would otherwise break every clause."""
    from kms_core._plugins.clients import KekClient, ObserverClient, StorageClient

    with closing(backend.open()) as client:
        if isinstance(client, StorageClient):
            client.describe_storage()
            with _only_without_answer():
                client.load_record(f"kms-check-{token_hex(6)}")
        elif not isinstance(client, ObserverClient):
            client.describe_kek()
            if isinstance(client, KekClient):
                with _only_without_answer():
                    client.wrap_dek(bytes(32), {"dek_id": "kms-check"})


@contextmanager
def _only_without_answer() -> Iterator[None]:
    """Let out what credentials or the service do; a backend's mistakes are for the clauses."""
    from kms_core import AccessDeniedError, KmsError, ThrottledError, UnavailableError

    try:
        yield
    except (ThrottledError, UnavailableError):
        raise
    except AccessDeniedError as error:
        if not error.maybe_missing:
            raise
    except KmsError:
        """The clauses say more of it."""


def _show(live: Live, outcome: Outcome) -> None:
    click.echo(live.backend.found.backend)
    for row in outcome.table.rows():
        click.echo("\n".join(f"  {line}" for line in row.lines()))
    click.echo(outcome.table.summary())
    for prefix, problems in outcome.left.records.items():
        if problems:
            told = [f"{show_name(dek_id)}: {why}" for dek_id, why in problems.items()]
            more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
            left = f"{len(told)} records of {prefix}… could not be removed"
            click.echo(f"kms: warning: {left}: {'; '.join(told[:_SHOWN] + more)}", err=True)


class _Progress:
    """A plugin of pytest that moves the bar at each check."""

    def __init__(self, bar: ProgressBar[int]) -> None:
        self._bar = bar

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._bar.length = len(session.items)

    def pytest_runtest_logfinish(self) -> None:
        self._bar.update(1)


def _run(live: Live) -> Outcome:
    from kms_core.testing._live.run import run_live

    label = f"checking {live.backend.found.backend}"
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:
        return run_live(live, _Progress(bar))
