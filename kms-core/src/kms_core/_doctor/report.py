"""What was found: a row for each step, told as it is made."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

from kms_core._values import Risk
from kms_core.errors import (
    AccessDeniedError,
    AuthenticationError,
    BackendError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    ThrottledError,
    UnavailableError,
)

T = TypeVar("T")
Outcome: TypeAlias = Literal["ok", "finding", "failed", "skipped"]

_SUFFIXES: Mapping[type[KmsError], str] = {
    ConfigError: "CONFIG",
    BackendError: "PLUGIN",
    AuthenticationError: "CREDENTIALS",
    AccessDeniedError: "DENIED",
    KekNotFoundError: "NOT-FOUND",
    KekDisabledError: "DISABLED",
    ThrottledError: "THROTTLED",
    UnavailableError: "AWAY",
    KmsError: "FAILED",
}
"""What an error means for its code; the first class that it is an instance of counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one step has shown. Holds nothing secret.

    Attributes:
        backend: ``kms://NAME`` or ``storage://NAME``; or what else the step is about.
        step: what was tried: the hook's name where it is one.
        outcome: ``failed`` if ``get_dek`` would fail by it.
        text: what was seen; of a finding or a failure, the cause.
        code: of a finding or a failure, a name for good.
        cure: of a finding or a failure, what to do.
    """

    backend: str
    step: str
    outcome: Outcome
    text: str = ""
    code: str = ""
    cure: str = ""


@dataclass(slots=True)
class Report:
    """The rows so far.

    Attributes:
        tell: gets each row as it is made.
        rows: all of them.
    """

    tell: Callable[[Row], object]
    rows: list[Row] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether ``get_dek`` would work, as far as was tried."""
        return all(row.outcome != "failed" for row in self.rows)

    @property
    def proves(self) -> bool:
        """Whether nothing that ``get_dek`` needs had to be left out."""
        return self.works and not any(row.code.endswith("-THROTTLED") for row in self.rows)

    def add(self, row: Row) -> None:
        """Note a row."""
        self.rows.append(row)
        self.tell(row)


@dataclass(frozen=True, slots=True)
class Section:
    """The part of the report about one backend, or about the configuration.

    Attributes:
        report: gets the rows.
        backend: what the rows say that they are about.
        prefix: what the codes begin with.
    """

    report: Report
    backend: str
    prefix: str

    def ok(self, step: str, text: str = "") -> None:
        """Note what is as it should be."""
        self.report.add(Row(self.backend, step, "ok", text))

    def skip(self, step: str, why: str) -> None:
        """Note what was not tried."""
        self.report.add(Row(self.backend, step, "skipped", why))

    def find(self, step: str, code: str, text: str, cure: str, *, fails: bool = False) -> None:
        """Note what is not as it should be."""
        outcome: Outcome = "failed" if fails else "finding"
        self.report.add(Row(self.backend, step, outcome, text, f"{self.prefix}-{code}", cure))

    def tell_risks(self, risks: Iterable[Risk]) -> None:
        """Note what a backend knows of itself."""
        for risk in risks:
            row = Row(self.backend, "find_risks", "finding", risk.problem, risk.code, risk.cure)
            self.report.add(row)

    def tell_permissions(
        self, of_hooks: Mapping[str, tuple[str, ...]], needed: Container[str], since: int
    ) -> None:
        """Note which permissions these credentials have, as far as hooks have shown.

        Args:
            of_hooks: what each hook takes; nothing is noted where that is not known.
            needed: the hooks that ``get_dek`` calls.
            since: how many rows there were before those of this backend.
        """
        passed = {row.step for row in self.report.rows[since:] if row.outcome == "ok"}
        shown = {hook: names for hook, names in of_hooks.items() if hook in passed}
        used = dict.fromkeys(n for hook, names in shown.items() if hook in needed for n in names)
        beyond = dict.fromkeys(n for names in shown.values() for n in names if n not in used)
        parts = [", ".join(used), f"beyond what get_dek needs: {', '.join(beyond)}" * bool(beyond)]
        if shown:
            self.ok("permissions", "; ".join(filter(None, parts)))

    def fail(self, step: str, error: KmsError, *, needed: bool = True) -> None:
        """Note an error. A service that asks to slow down is not down."""
        cause, cure = split_message(error)
        of_class = next(text for kind, text in _SUFFIXES.items() if isinstance(error, kind))
        fails = needed and not isinstance(error, ThrottledError)
        self.find(step, error.code or of_class, cause, cure, fails=fails)

    def attempt(
        self, step: str, call: Callable[[], T], show: Callable[[T], str] = lambda _: ""
    ) -> T | None:
        """Try what ``get_dek`` needs; None if it failed, which is noted."""
        try:
            answer = call()
        except KmsError as error:
            self.fail(step, error)
            return None
        self.ok(step, show(answer))
        return answer


def lacks_permission(error: KmsError) -> bool:
    """Whether the credentials are accepted, and may not do this."""
    return isinstance(error, AccessDeniedError) and not isinstance(error, AuthenticationError)


def split_message(error: KmsError) -> tuple[str, str]:
    """The cause and the cure that the error's message has, without the place, each in one line."""
    message = " ".join(str(error.args[0]).split()) if error.args else type(error).__name__
    if error.cure and message.endswith(error.cure):
        return message.removesuffix(error.cure).removesuffix(": "), error.cure
    cause, _, cure = message.partition("; ")
    return cause, cure
