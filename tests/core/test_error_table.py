"""What an SDK's errors mean is looked up; a programming error stays one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import kms_core
from kms_core.backend import ErrorTable, Meaning, translate_errors


class SdkError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SdkTimeoutError(SdkError):
    pass


def find_codes(error: SdkError) -> Iterator[str | type[BaseException]]:
    yield error.code
    yield from type(error).__mro__


TABLE = ErrorTable(
    (SdkError,),
    {
        "Denied": Meaning(kms_core.AccessDeniedError, "allow it"),
        "BadBlob": Meaning(kms_core.UnwrapError),
        SdkTimeoutError: Meaning(kms_core.UnavailableError, "try again"),
    },
    find_codes,
)


def raised(error: Exception, table: ErrorTable = TABLE) -> kms_core.KmsError:
    with pytest.raises(kms_core.KmsError) as caught, translate_errors(table, "Wrap", "key one"):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def test_a_code_tells_more_than_a_class() -> None:
    denied = raised(SdkTimeoutError("Denied"))
    assert isinstance(denied, kms_core.AccessDeniedError)
    assert str(denied) == "Wrap on key one: Denied: allow it"
    assert str(raised(SdkTimeoutError("Late"))) == "Wrap on key one: Late: try again"


def test_what_is_not_in_the_table_is_refused_with_its_code() -> None:
    error = raised(SdkError("Strange"))
    assert type(error) is kms_core.OperationError
    assert "Strange" in str(error)
    assert not error.retryable


@pytest.mark.parametrize("code", ["a\r\nb", "\x1b[31m", "\u202ex", "\ud800", "x" * 60_000])
def test_a_code_is_shown_in_one_short_line(code: str) -> None:
    """What answers need not be the service."""
    text = str(raised(SdkError(code)))
    assert text.isprintable()
    assert len(text) < 300


def test_an_unwrap_error_gives_no_reason() -> None:
    assert str(raised(SdkError("BadBlob"))) == str(kms_core.UnwrapError())


def test_a_denial_may_hide_that_there_is_nothing() -> None:
    hiding = TABLE.but(
        {"Denied": Meaning(kms_core.AccessDeniedError, "or it is missing", maybe_missing=True)}
    )
    error = raised(SdkError("Denied"), hiding)
    assert isinstance(error, kms_core.AccessDeniedError)
    assert error.maybe_missing
    assert TABLE.meanings["Denied"].maybe_missing is False


def test_a_meaning_says_whether_to_try_again() -> None:
    assert [m.retryable for m in TABLE.meanings.values()] == [False, False, True]


@pytest.mark.parametrize("mistake", [AttributeError, KeyError, TypeError, ValueError, OSError])
def test_a_programming_error_stays_one(mistake: type[Exception]) -> None:
    with pytest.raises(mistake), translate_errors(TABLE, "Wrap", "key one"):
        raise mistake("oops")
