"""Whoever hands an error on, and in whatever shape: it shows no DEK and nothing of an SDK's."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import logging
import pickle
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeAlias

import pytest
import trio

import kms_core
import kms_core.aio
from kms_core import Kms
from kms_core.testing._harness.leaks import Text, carried_texts, error_texts, search

SECRET = b"hunter2hunter2hunter2hunter2hunt"
Shape: TypeAlias = Callable[[Kms], Iterator[BaseException | str]]


@asynccontextmanager
async def for_tasks(kms: Kms) -> AsyncIterator[kms_core.aio.Kms]:
    tasks = kms_core.aio.Kms(kms)
    try:
        yield tasks
    finally:
        await tasks.close()


def in_a_group_of_asyncio(kms: Kms) -> Iterator[BaseException | str]:
    async def main() -> None:
        async with for_tasks(kms) as tasks, asyncio.TaskGroup() as group:
            for dek_id in "abc":
                group.create_task(tasks.get_dek(dek_id, create=True))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    yield from (caught.value, *caught.value.exceptions)


def in_a_group_of_trio(kms: Kms) -> Iterator[BaseException | str]:
    async def get_dek(tasks: kms_core.aio.Kms, dek_id: str) -> None:
        await tasks.get_dek(dek_id, create=True)

    async def main() -> None:
        async with for_tasks(kms) as tasks, trio.open_nursery() as nursery:
            for dek_id in "abc":
                nursery.start_soon(get_dek, tasks, dek_id)

    with pytest.raises(ExceptionGroup) as caught:
        trio.run(main)
    yield from (caught.value, *caught.value.exceptions)


def in_the_debug_log_of_asyncio(kms: Kms) -> Iterator[BaseException | str]:
    """Every step of the loop is logged, and a task whose error nobody fetches."""
    told: list[dict[str, Any]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with for_tasks(kms) as tasks:
            await asyncio.wait([asyncio.create_task(tasks.get_dek("a", create=True))])
            gc.collect()

    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger("asyncio").addHandler(handler)
    asyncio.run(main(), debug=True)
    logging.getLogger("asyncio").removeHandler(handler)
    yield from (log.getvalue(), repr(told), *(context["exception"] for context in told))


def out_of_a_pool(kms: Kms) -> Iterator[BaseException | str]:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(kms.get_dek, "a", create=True)
        error = future.exception()
    assert error is not None
    yield from (error, repr(future), repr(vars(future)))


def out_of_a_thread(kms: Kms) -> Iterator[BaseException | str]:
    told: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", told.append)
        thread = threading.Thread(target=kms.get_dek, args=["a"], kwargs={"create": True})
        thread.start()
        thread.join()
    yield from (told[0].exc_value, repr(told))


def out_of_a_finaliser(kms: Kms) -> Iterator[BaseException | str]:
    class Last:
        def __del__(self) -> None:
            kms.get_dek("a", create=True)

    told: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", told.append)
        Last()
        gc.collect()
    yield from (told[0].exc_value, repr(told))


def in_an_outcome(kms: Kms) -> Iterator[BaseException | str]:
    for outcome in kms.get_deks(["stored"]):
        assert outcome.error is not None
        yield from (outcome.error, repr(outcome))


def copied(kms: Kms) -> Iterator[BaseException | str]:
    """As another process gets it."""
    error = fail(kms)
    yield from (copy.copy(error), copy.deepcopy(error), repr(pickle.dumps(error)))


def printed(kms: Kms) -> Iterator[BaseException | str]:
    error = fail(kms)
    yield error
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    log = logging.getLogger("tests.shapes")
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(message)s %(error)s"))
    log.addHandler(handler)
    log.error("it failed", exc_info=error, stack_info=True, extra={"error": error})
    log.removeHandler(handler)
    yield text.getvalue()


SHAPES: tuple[Shape, ...] = (
    *(in_a_group_of_asyncio, in_a_group_of_trio, in_the_debug_log_of_asyncio),
    *(out_of_a_pool, out_of_a_thread, out_of_a_finaliser, in_an_outcome, copied, printed),
)


def fail(kms: Kms) -> kms_core.KmsError:
    with pytest.raises(kms_core.UnavailableError) as caught:
        kms.get_dek("a", create=True)
    return caught.value


@pytest.mark.parametrize("shape", SHAPES)
def test_whoever_hands_an_error_on(
    shape: Shape, kms: Kms, kek: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with_it(_: object) -> NoReturn:
        raise kms_core.UnavailableError("away") from ValueError(SECRET)

    monkeypatch.setattr("secrets.token_bytes", lambda size: SECRET[:size])
    kms.create_dek("stored")
    kek.alter_wrapped = kek.alter_dek = fail_with_it
    errors = 0
    for told in shape(kms):
        texts: list[Text] = [("what is told", str(told))]
        if isinstance(told, BaseException):
            errors += isinstance(told, kms_core.UnavailableError)
            texts += [*error_texts(told), *_below_this_module(told)]
        search(shape.__name__, texts, [SECRET])
    assert errors


def _below_this_module(error: BaseException) -> Iterator[Text]:
    return (text for text in carried_texts(error) if f"{__file__}:" not in text[0])
