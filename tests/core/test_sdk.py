"""What keeps an SDK's client safe: one for each process, and out of the log."""

from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from kms_core._racing import RACERS, race
from kms_core.backend import PerProcess, mute_logging


class Client:
    def __init__(self) -> None:
        self.process = os.getpid()
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_a_process_keeps_its_client() -> None:
    clients = PerProcess(Client, Client.close)
    assert clients.get() is clients.get()
    clients.close()
    assert clients.get().closed


def test_a_fork_opens_its_own_and_leaves_the_parents_open() -> None:
    clients = PerProcess(Client, Client.close)
    parents = clients.get()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        clients.close()  # the parent's: not ours to close
        own = clients.get()
        right = own is not parents and own.process == os.getpid() and not parents.closed
        os._exit(0 if right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert clients.get() is parents


def test_all_threads_of_a_child_get_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Client] = []
    all_open = threading.Barrier(RACERS)

    def open_at_once() -> Client:
        if opened:  # the parent's
            all_open.wait(120)
        opened.append(Client())
        return opened[-1]

    clients = PerProcess(open_at_once, Client.close)
    monkeypatch.setattr(os, "getpid", lambda: -1)  # what a child sees: another number
    seen = {id(client) for client in race([clients.get] * RACERS) if isinstance(client, Client)}
    assert seen == {id(clients.get())}
    assert len(opened) == 1 + RACERS
    assert [client for client in opened[1:] if not client.closed] == [clients.get()]


def test_what_logs_below_a_logger_is_kept_out_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("chatty.sdk.http", "chatty.sdk.http.later"):
            log = logging.getLogger(name)
            with mute_logging("chatty.sdk"):
                log.debug("our DEK")
            log.debug("somebody else's call")
        with mute_logging("chatty.sdk"):
            logging.getLogger("chatty.sdkless").debug("of another library")
    expected = ["somebody else's call", "somebody else's call", "of another library"]
    assert [record.message for record in caplog.records] == expected


def test_only_our_own_calls_are_kept_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("talkative.sdk")
    with caplog.at_level(logging.DEBUG):
        log.debug("somebody else's call")
        with mute_logging("talkative.sdk"), mute_logging("talkative.sdk"):
            log.debug("our DEK")
        log.debug("somebody else's next call")
    assert [record.message for record in caplog.records] == [
        "somebody else's call",
        "somebody else's next call",
    ]


def test_other_loggers_go_on_without_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("wordy.sdk.http")

    def fail() -> None:
        password = "hunter2hunter2"  # which a handler shows that shows local variables
        try:
            int(password)
        except ValueError:
            log.warning("it failed", exc_info=True)

    with caplog.at_level(logging.DEBUG):
        with mute_logging(others="wordy"):
            fail()
        fail()
    ours, theirs = caplog.records
    assert ours.exc_info is None
    assert logging.Formatter().format(ours) == "it failed\nValueError"
    assert theirs.exc_info is not None


CREDENTIALS = [
    ("sent %s", {"Authorization": "Bearer hunter2"}),
    ("got %r", '{"access_token": "hunter2"}'),
    ("body: client_assertion=hunter2&x=y", None),
    ("refused: %s", ValueError("X-Amz-Security-Token: hunter2")),
    ("<SecretAccessKey>hunter2</SecretAccessKey>", None),
]


@pytest.mark.parametrize(("message", "argument"), CREDENTIALS)
def test_other_loggers_show_no_credential_in_any_thread(
    caplog: pytest.LogCaptureFixture, message: str, argument: object
) -> None:
    """An SDK may have threads of its own, which no block is around."""
    log = logging.getLogger("threaded.sdk")
    arguments = () if argument is None else (argument,)
    with mute_logging(others="threaded"):
        pass
    with caplog.at_level(logging.DEBUG):
        for args in ((message, *arguments), ("a connection is open",)):
            thread = threading.Thread(target=log.debug, args=args)
            thread.start()
            thread.join()
    assert [record.getMessage() for record in caplog.records] == ["a connection is open"]
