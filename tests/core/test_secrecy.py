"""No message, repr, log line or traceback shows a key or a credential."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._tracebacks import clear_locals, without_locals
from kms_core.backend import WrappedDek, hookimpl
from kms_core.builtin.memory import MemoryStorage

SECRET = "hunter2hunter2"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def everything_shown(error: BaseException) -> str:
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [f for link in chain(error) for f, _ in traceback.walk_tb(link.__traceback__)]
    held = [repr(frame.f_locals) for frame in frames[1:]]  # the first one is the test itself
    return "".join([*trace.format(), *held, repr(error), repr(vars(error))])


@pytest.mark.parametrize("error", [kms_core.ThrottledError, RuntimeError, KeyboardInterrupt])
def test_a_failed_create_leaves_no_dek_in_the_locals(
    kms: Kms, kek: Any, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_wrapped: WrappedDek) -> WrappedDek:
        raise error("no") from ValueError("the SDK's own")

    kek.alter_wrapped = fail
    monkeypatch.setattr("secrets.token_bytes", lambda size: SECRET.encode()[:size])
    with pytest.raises(BaseException, match=r"no|RuntimeError") as caught:
        kms.get_dek("a", size=14, create=True)
    shown = everything_shown(caught.value)
    assert "in wrap_dek" in shown, "the lines of the traceback are still there"
    for form in (SECRET, SECRET.encode().hex(), b64encode(SECRET.encode()).decode()):
        assert form not in shown


def test_a_failed_listing_leaves_no_locals(kek: Any, open_with: Callable[..., Kms]) -> None:
    class Failing(MemoryStorage):
        @hookimpl
        def list_dek_ids(self, prefix: str) -> Iterator[str]:
            token = SECRET + prefix
            yield "a"
            raise kms_core.ThrottledError("no") from ValueError(len(token))

    ids = open_with(kek, Failing(MemoryStorage.Config())).list_dek_ids()
    assert next(ids) == "a"
    with pytest.raises(kms_core.ThrottledError) as caught:
        next(ids)
    assert SECRET not in everything_shown(caught.value)
    assert "in list_dek_ids" in everything_shown(caught.value)


def test_what_the_caller_was_handling_keeps_its_locals() -> None:
    @without_locals
    def fails() -> None:
        raise kms_core.ThrottledError("no")

    def callers_own() -> None:
        mine = 42
        raise ValueError(mine)

    with pytest.raises(ValueError, match="42") as own:
        callers_own()
    try:
        raise own.value
    except ValueError:
        with pytest.raises(kms_core.ThrottledError) as caught:
            fails()
    assert caught.value.__context__ is own.value
    [mine] = [f for f, _ in traceback.walk_tb(own.tb) if f.f_code.co_name == "callers_own"]
    assert mine.f_locals == {"mine": 42}


def test_the_members_of_a_group_lose_their_locals() -> None:
    def one_try() -> None:
        secret = SECRET.encode()
        raise ValueError(len(secret))

    @without_locals
    def fails() -> None:
        try:
            one_try()
        except ValueError as member:
            group = ExceptionGroup("tries", [member])
        raise kms_core.UnavailableError("down") from group

    with pytest.raises(kms_core.UnavailableError) as caught:
        fails()
    [member] = caught.value.__cause__.exceptions  # type: ignore[union-attr]
    trace = member.__traceback__
    assert SECRET not in repr([frame.f_locals for frame, _ in traceback.walk_tb(trace)])


def test_a_coroutine_that_waits_goes_on() -> None:
    """Its frame is in the traceback of an error that a backend raises a second time."""
    shared = kms_core.UnavailableError("down")

    @without_locals
    def fails() -> None:
        raise shared

    async def keeps_trying() -> str:
        try:
            fails()
        except kms_core.UnavailableError:
            await asyncio.sleep(0)
        return "ended"

    waiting = keeps_trying()
    waiting.send(None)
    with pytest.raises(kms_core.UnavailableError):
        fails()
    with pytest.raises(StopIteration, match="ended"):
        waiting.send(None)


def test_a_chain_that_bites_its_tail() -> None:
    first, second = ValueError(), ValueError()
    first.__context__, second.__context__ = second, first
    clear_locals(first)


def test_no_log_line_holds_a_dek(kms: Kms, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        dek = kms.get_dek("a", create=True)
        kms.get_dek("a", create=True)
    assert dek.hex() not in caplog.text
    assert repr(dek) not in caplog.text


def test_reprs(kms: Kms) -> None:
    assert repr(kms) == "<Kms kms://local storage://memory>"
    assert repr(WrappedDek(b"xyz", "k", "1", "a")) == (
        "WrappedDek(kek_id='k', kek_version='1', algorithm='a')"
    )


def test_errors_say_where_and_survive_a_process_boundary() -> None:
    for name in kms_core.__all__:
        kind = getattr(kms_core, name)
        if not (isinstance(kind, type) and issubclass(kind, kms_core.KmsError)):
            continue
        error = kind("it broke")
        error.locate(backend="kms://x", operation="wrap_dek", dek_id="a")
        error.locate(backend="kms://y", operation="other", dek_id="b")
        copy = pickle.loads(pickle.dumps(error))
        assert str(copy) == str(error) == "kms://x: wrap_dek of DEK 'a': it broke"
        assert (copy.backend, copy.operation, copy.dek_id) == ("kms://x", "wrap_dek", "a")
        assert copy.retryable is kind.retryable
