"""Calls of the service over HTTP, each with a token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import NamedTuple

import urllib3

from kms_core import UnavailableError
from kms_core.backend import (
    MAX_RECORD_SIZE,
    ErrorTable,
    PerProcess,
    parse_json,
    read_part,
    translate_errors,
)
from tests.conformance.http_pair.config import HttpConfig
from tests.conformance.http_pair.errors import TOKEN, RefusalError

_MOST = 2 * MAX_RECORD_SIZE  # bytes of an answer that are read; a page of names is smaller
_EARLY = 30  # seconds before its end at which a token is not used any more
_LONGEST_CODE = 30


class Request(NamedTuple):
    """What is asked, and how many bytes of the answer are read at most."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    most: int = _MOST


class Reply(NamedTuple):
    """An answer of success."""

    headers: Mapping[str, str]
    body: bytes


class _Session:
    """The connections and the token of one process."""

    def __init__(self, config: HttpConfig) -> None:
        timeout = urllib3.Timeout(connect=config.connect_timeout, read=config.read_timeout)
        connections = config.max_connections
        self.pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)
        self.token, self.expires = "", 0.0

    def close(self) -> None:
        self.pool.clear()


class HttpClient:
    """Threads share it, and processes do not share its connections."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._sessions = PerProcess(lambda: _Session(config), _Session.close)

    def call(self, table: ErrorTable, request: Request) -> Reply:
        """Send a request, and once more with another token if the service has dropped ours."""
        with translate_errors(table, request.method, request.path):
            try:
                return self._send(request, self._token())
            except RefusalError as error:
                if error.status != 401:
                    raise
            return self._send(request, self._token(anew=True))

    def close(self) -> None:
        """Close the connections."""
        self._sessions.close()

    def _token(self, *, anew: bool = False) -> str:
        session = self._sessions.get()
        if anew or time.monotonic() > session.expires:
            secret = self._config.client_secret.get_secret_value()
            login = json.dumps({"id": self._config.client_id, "secret": secret}).encode()
            with translate_errors(TOKEN, "get a token", self._config.endpoint):
                reply = parse_json(self._send(Request("POST", "/token", login)).body)
            token, lifetime = read_part(reply, "token", str), read_part(reply, "seconds", int)
            session.token, session.expires = token, time.monotonic() + lifetime - _EARLY
        return session.token

    def _send(self, request: Request, token: str = "") -> Reply:
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        response = self._sessions.get().pool.request(
            request.method,
            f"{self._config.endpoint}{request.path}",
            body=request.body,
            headers={**request.headers, **bearer},
            redirect=False,  # to whom it would show the token
            preload_content=False,
        )
        try:
            body = response.read(request.most)
        finally:  # what is left of an answer is never read as the next one
            (response.close if response.length_remaining else response.release_conn)()
        if response.status // 100 != 2:
            raise RefusalError(response.status, _code(body))
        return Reply(response.headers, body)


def _code(body: bytes) -> str:
    """What the service says is wrong; the page of a proxy says nothing."""
    try:
        code = read_part(parse_json(body), "code", str)
    except UnavailableError:
        return ""
    return code if code.isalpha() and len(code) <= _LONGEST_CODE else ""
