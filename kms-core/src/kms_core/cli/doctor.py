"""``kms doctor``: whether ``get_dek`` would work, tried for real, and what to do if not."""

from __future__ import annotations

import json
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from kms_core.cli.session import Session, Sources

if TYPE_CHECKING:
    from kms_core._doctor.report import Report, Row

_WIDTH = 100
_INDENT = " " * 10
_EXAMPLES = """\b
Examples:
  kms doctor
  kms --config /etc/kms.toml doctor --json | jq '.rows[] | select(.outcome == "failed")'
  kms doctor --quick
"""


@click.command(epilog=_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
@click.option(
    "--quick",
    is_flag=True,
    help="Write nothing: ask each KMS and the store once whether they would serve a call.",
)
@click.pass_context
def doctor(context: click.Context, *, as_json: bool, quick: bool) -> None:
    """Try the configured KEK and storage for real, step by step, and say what is wrong.

    It wraps, unwraps, and makes records of its own, whose ids begin with kms-doctor-, which it
    removes again where it may. Each failure and each finding has a code, a cause and a cure.

    Exits with 0 if get_dek would work, whatever else was found, and with 1 if it would not. With
    --quick, 0 says only that KMS and store answer.
    """
    from kms_core._doctor.examination import check_quickly, examine
    from kms_core._doctor.report import Report

    sources: Sources = context.ensure_object(Session).sources()
    report = Report((lambda _: None) if as_json else _show)
    origin = f"the KEK: {sources.origin('kek')}; the storage: {sources.origin('storage')}"
    (check_quickly if quick else examine)(sources, origin, report)
    click.echo(_as_json(report) if as_json else _summary(report, quick=quick))
    context.exit(0 if report.works else 1)


def _show(row: Row) -> None:
    """A line for each step, and below it the cause and the cure if something is to be done."""
    done = f"{row.outcome:<9} {row.backend:<15} {row.step}"
    if not row.code:
        click.echo(f"{done}: {row.text}" if row.text else done)
        return
    click.echo(f"{done}: {row.code}")
    for name, text in (("cause", row.text), ("cure", row.cure)):
        lines = wrap(f"{name}: {text}", _WIDTH - len(_INDENT), break_on_hyphens=False)
        click.echo("\n".join(f"{_INDENT}{line}" for line in lines if text))


def _summary(report: Report, *, quick: bool = False) -> str:
    findings = sum(row.outcome == "finding" for row in report.rows)
    shown = "KMS and store answer; get_dek was not tried" if quick else "get_dek would work"
    works = shown if report.works else "get_dek would not work"
    if report.works and not report.proves:
        works = "nothing is wrong as far as the services, which ask to slow down, let it be tried"
    return f"{works}; {findings} finding{'' if findings == 1 else 's'}"


def _as_json(report: Report) -> str:
    rows = [asdict(row) for row in report.rows]
    return json.dumps({"works": report.works, "rows": rows}, ensure_ascii=False)
