"""What an SDK said stays out of the chain; its class and its lines stay in."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._causes import ForeignError, hide_foreign_errors
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage

SECRET = "hunter2hunter2"


class SdkError(Exception):
    """Holds its request, as errors of many SDKs do."""

    def __init__(self) -> None:
        super().__init__(f"sent {SECRET}")
        self.request = {"Authorization": SECRET}


class Talkative(MemoryStorage):
    """Its SDK's errors show a token, at each place of a chain."""

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        try:
            try:
                int(SECRET)
            except ValueError:
                raise SdkError from ExceptionGroup(SECRET, [SdkError()])
        except SdkError as error:
            if dek_id == "a plugin's mistake":
                raise
            raise kms_core.UnavailableError("down") from error
        return super().load_record(dek_id)


@pytest.fixture
def talkative(kek: Any, open_with: Callable[..., Kms]) -> Kms:
    return open_with(kek, Talkative(MemoryStorage.Config()))


def links(error: BaseException) -> list[BaseException]:
    below = (error.__cause__, error.__context__)
    return [error, *(found for link in below if link is not None for found in links(link))]


@pytest.mark.parametrize("dek_id", ["a", "a plugin's mistake"])
def test_no_link_says_what_the_sdk_said(talkative: Kms, dek_id: str) -> None:
    with pytest.raises(kms_core.KmsError) as caught:
        talkative.get_dek(dek_id)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in str([(repr(link), vars(link)) for link in links(caught.value)])
    assert {type(link) for link in links(caught.value)[1:]} == {ForeignError}


def test_each_link_tells_its_class_and_its_lines(talkative: Kms) -> None:
    with pytest.raises(kms_core.UnavailableError) as caught:
        talkative.get_dek("a")
    cause = caught.value.__cause__
    assert cause is not None
    assert str(cause) == f"{__name__}.SdkError"
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["load_record"]


def test_what_the_caller_was_handling_stays(talkative: Kms) -> None:
    mine = ValueError("mine")
    try:
        raise mine
    except ValueError:
        with pytest.raises(kms_core.UnavailableError) as caught:
            talkative.get_dek("a")
    assert mine in links(caught.value)


@pytest.mark.parametrize("hidden", [True, False])
def test_a_context_is_shown_as_the_backend_meant(*, hidden: bool) -> None:
    error = kms_core.UnavailableError("down")
    error.__context__, error.__suppress_context__ = ValueError(SECRET), hidden
    hide_foreign_errors(error, None)
    assert error.__suppress_context__ is hidden
    assert ("ValueError" in "".join(traceback.format_exception(error))) is not hidden
