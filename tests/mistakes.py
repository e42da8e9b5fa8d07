"""What a newcomer is told: the one line that an error is, by which she has to help herself."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest

from kms_core import Kms, KmsError, open_kms
from kms_core._config.choices import Choices, load_choices
from kms_core._doctor import stores
from kms_core._doctor.examination import check_quickly, examine
from kms_core._doctor.report import Report, Row
from tests.broken import compare

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Setup:
    """What she has configured; it works until a test makes her mistake."""

    kek: Mapping[str, Any]
    storage: Mapping[str, Any]

    def but(
        self,
        *,
        kek: Mapping[str, Any] = _NOTHING,
        storage: Mapping[str, Any] = _NOTHING,
        both: Mapping[str, Any] = _NOTHING,
    ) -> Setup:
        """The same with other parameters; one that is None is left out."""
        return Setup(_changed(self.kek, both, kek), _changed(self.storage, both, storage))

    def choices(self) -> Choices:
        return load_choices(kek=self.kek, storage=self.storage)

    def open(self) -> Kms:
        return open_kms(self.kek, self.storage)

    def examined(self, *, quick: bool = False) -> Report:
        """What ``kms doctor`` finds."""
        report = Report(lambda row: None)
        (check_quickly if quick else examine)(self, "a test", report)
        return report

    def works(self) -> Setup:
        """The same, once there is a DEK."""
        with open_kms(self.kek, self.storage) as kms:
            kms.get_dek("volume-42", create=True)
        return self

    def tells(self, kind: type[KmsError], *words: str, unsaid: str | None = None) -> None:
        """An error of this very kind, whose message has the words for the cause and the cure."""
        with pytest.raises(KmsError) as caught, open_kms(self.kek, self.storage) as kms:
            kms.get_dek("volume-42", create=True)
        check(caught.value, kind, *words)
        assert unsaid is None or unsaid not in str(caught.value)


def tells_doctor(
    test: Any, setup: Setup, kind: type[KmsError], *words: str, unsaid: str | None = None
) -> None:
    """Doctor has a row with these words, as the page has it, and is right about ``get_dek``."""
    report = setup.examined()
    told = [row for row in report.rows if row.code]
    right = [row for row in told if _is_told(row, words)]
    assert right != [], told
    compare(test, right[0])
    assert all(row.text and row.cure for row in told), told
    with pytest.raises(KmsError) as caught, setup.open() as kms:
        kms.get_dek("volume-42", create=True)
    assert type(caught.value) is kind
    assert not report.works


def tell_permissions(report: Report) -> dict[str, str]:
    """What the credentials are said to be allowed."""
    return {row.backend: row.text for row in report.rows if row.step == "permissions"}


def _is_told(row: Row, words: tuple[str, ...]) -> bool:
    return all(word in f"{row.text}: {row.cure}" or word in row.backend for word in words)


@pytest.fixture(params=["get_dek", pytest.param("doctor", marks=pytest.mark.rest)])
def told_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tells of a mistake: the error of ``get_dek``, or ``kms doctor``."""
    if request.param == "doctor":

        def tells(setup: Setup, *told: Any, **unsaid: Any) -> None:
            tells_doctor(request.node, setup, *told, **unsaid)

        monkeypatch.setattr(Setup, "tells", tells)
        monkeypatch.setattr(stores, "_ROUNDS", 0)
        monkeypatch.setattr(stores, "_CLIENTS", 2)


def check(error: KmsError, kind: type[KmsError], *words: str) -> None:
    """The error is of this very kind, and its message has these words."""
    assert type(error) is kind, error
    assert [word for word in words if word not in str(error)] == [], str(error)


def _changed(*mappings: Mapping[str, Any]) -> dict[str, Any]:
    merged = {name: value for one in mappings for name, value in one.items()}
    return {name: value for name, value in merged.items() if value is not None}


def everything_in(error: BaseException) -> str:
    """What a report of the error could show, the locals of our own frames included."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = traceback.StackSummary.from_list(trace.stack[1:])  # the first frame is the test's
    return f"{error} {error.__cause__!r} {error.__context__!r} {ours.format()}"
