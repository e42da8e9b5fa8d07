"""``kms backends``: what is installed, and what is broken about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from kms_core import KmsError
from kms_core.cli.failures import one_line

if TYPE_CHECKING:
    from kms_core._plugins.registry import FoundBackend

_EXAMPLES = """\b
Examples:
  kms backends
  kms backends --check
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--check", is_flag=True, help="Import each backend as well; exit with 1 if any is broken."
)
@click.pass_context
def backends(context: click.Context, *, check: bool) -> None:
    """List the backends that are installed.

    Without --check nothing is imported: the installed metadata says it all.
    """
    from kms_core._plugins.registry import find_backends, find_strays

    found = [*find_backends(), *find_strays()]
    problems = [_problem(one, found, check=check) for one in found]
    rows = [("BACKEND", "DISTRIBUTION", "STATUS")]
    for one, problem in zip(found, problems, strict=True):
        status = "ok" if check else "installed"
        rows.append((one.backend, one.distribution, f"broken: {problem}" if problem else status))
    click.echo("\n".join(_align(rows)))
    if check and any(problems):
        context.exit(1)


def _problem(one: FoundBackend, everything: list[FoundBackend], *, check: bool) -> str | None:
    from kms_core._plugins.prepared import check_backend
    from kms_core._plugins.registry import find_problem

    try:
        problem = find_problem(one, everything)
        if problem is None and check:
            check_backend(one.scheme, one.name)
    except Exception as error:  # noqa: BLE001 -- it is the status of this one only
        known = isinstance(error, KmsError)
        problem = str(error) if known else f"{type(error).__name__}: {error}"
    return problem and one_line(problem)


def _align(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for backend, distribution, status in rows:
        yield f"{backend:{first}}  {distribution:{second}}  {status}"
