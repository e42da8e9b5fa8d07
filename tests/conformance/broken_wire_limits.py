"""Defects in what a client takes of its service, and in what others see of it."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Semaphore

from kms_core import DekNotFoundError, UnavailableError, UnwrapError
from kms_core.backend import BackendConfig
from tests.conformance.small_kms import SmallBackend
from tests.conformance.small_store import SmallStorage


class HasNoDeadline(SmallBackend):
    """Limits each read, and no call."""

    breaks = ("test_slow_service[drips the answer]",)
    Config = BackendConfig


class ComesBackWhenAsked(SmallBackend):
    """Waits for as long as an answer says."""

    breaks = ("test_slow_service[asks to wait]",)
    Config = BackendConfig

    def get(self, text: str) -> str:
        assert self.service.address
        with closing(HTTPConnection(*self.service.address, timeout=self.time_limit)) as connection:
            connection.request("GET", f"/{text}")
            wait = connection.getresponse().headers["Retry-After"]
        if wait:
            time.sleep(int(wait))
        return super().get(text)


class TakesBusyForMissing(SmallBackend):
    breaks = ("test_busy_connections",)

    @cached_property
    def pool(self) -> Semaphore:
        return Semaphore(4)

    def ask(self, text: str) -> str:
        if not self.pool.acquire(timeout=0.05):
            is_storage = isinstance(self, SmallStorage)
            raise self.error(DekNotFoundError() if is_storage else UnwrapError())
        try:
            return super().ask(text)
        finally:
            self.pool.release()


class TriesAgainAndAgain(SmallBackend):
    breaks = ("test_attempts",)

    def get(self, text: str) -> str:
        return _three_times(lambda: super(TriesAgainAndAgain, self).get(text))


class ResendsWhatWasLost(SmallBackend):
    """As an HTTP client does that takes a GET for safe to repeat."""

    breaks = ("test_attempts[loses the answer]",)

    def get(self, text: str) -> str:
        try:
            return super().get(text)
        except (OSError, HTTPException):
            return super().get(text)


def _three_times(call: Callable[[], str]) -> str:
    for _ in range(2):
        try:
            return call()
        except Exception:  # noqa: BLE001 -- the defect
            continue
    return call()


class ShowsItsTokenInTheUrl(SmallBackend):
    breaks = ("test_urls_show_no_secret",)

    def get(self, text: str) -> str:
        return super().get(f"{text}?token={self.service.credential}")


class LogsWhatFails(SmallBackend):
    breaks = ("test_failures_leave_no_secret",)

    def unanswered(self, error: Exception) -> Exception:
        logging.getLogger("small.sdk").warning("no answer to %s", self.service.credential)
        return super().unanswered(error)


class LogsALoginThatFails(SmallBackend):
    """Logs in at its first call."""

    breaks = ("test_failures_leave_no_secret",)
    is_logged_in = False

    def ask(self, text: str) -> str:
        try:
            answer = super().ask(text)
        except UnavailableError:
            if not self.is_logged_in:
                logging.getLogger("small.sdk").warning("no login of %s", self.service.credential)
            raise
        self.is_logged_in = True
        return answer


class TrustsAnybody(SmallBackend):
    breaks = ("test_unproven_server",)

    def connect(self, host: str, port: int, limit: float) -> HTTPConnection:
        if self.service.is_proven:
            return super().connect(host, port, limit)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return HTTPSConnection(host, port, timeout=limit, context=context)
