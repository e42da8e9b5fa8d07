"""Defects in what a client does with its login and its connections."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.request import Request, urlopen

from kms_core import AccessDeniedError, AuthenticationError
from tests.conformance.small_kms import Service, SmallBackend


class NeverLogsInAgain(SmallBackend):
    breaks = ("test_expired_credentials",)

    def log_in(self) -> None:
        raise self.error(AccessDeniedError("the session is over"))


class KeepsItsSessionInTheClass(SmallBackend):
    """So a client that is opened anew has the old one."""

    breaks = ("test_expired_credentials",)
    sessions: ClassVar[dict[str, int]] = {}

    def __init__(self, service: Service, *more: Any) -> None:
        super().__init__(service, *more)
        self.session = self.sessions.setdefault(service.credential, service.session)

    def log_in(self) -> None:
        raise self.error(AuthenticationError("the session is over"))


class FollowsRedirects(SmallBackend):
    breaks = ("test_redirect",)

    def get(self, text: str) -> str:
        assert self.service.address
        host, port = self.service.address
        login = {"Authorization": f"Bearer {self.service.credential}"}
        request = Request(f"http://{host}:{port}/{text}", headers=login)
        with urlopen(request, timeout=self.time_limit) as response:
            answer: str = response.read().decode()
        self.check_answer(text, answer)
        return answer
