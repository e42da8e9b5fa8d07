"""Connections that no other process uses, that no .netrc speaks for, and that wait no longer than
the config says.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport

from kms_azure.config import AzureConfig


class Transport(RequestsTransport):  # type: ignore[misc] # the SDK exports it untyped
    """What the calls of one client go through."""

    def __init__(self, config: AzureConfig) -> None:
        self._config = config
        self._process = 0
        super().__init__(**_timeouts(config))

    def open(self) -> None:
        """Take new connections after a fork: shared ones could mix up answers."""
        if self._process != os.getpid():
            self.session, self._process = _open_session(self._config), os.getpid()
        super().open()

    def sleep(self, duration: float) -> None:
        """Wait for the next attempt; a service may ask for hours by Retry-After."""
        super().sleep(min(duration, self._config.read_timeout))


class TokenTransport(Transport):
    """For azure-identity, which takes an issuer of tokens that fails for one that refuses us."""

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; fail if the answer is not about the request."""
        response = super().send(request, **options)
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise HttpResponseError(response=response)
        return response


def client_options(config: AzureConfig, transport: type[Transport] = Transport) -> dict[str, Any]:
    """What every client of the SDK is opened with."""
    return {
        "transport": transport(config),
        "retry_total": config.max_attempts - 1,
        "initial_backoff": 0,  # or else Blob Storage waits for 15 seconds and more
        "increment_base": 1.5,
        "random_jitter_range": 1,
    }


def _open_session(config: AzureConfig) -> Any:
    plain = RequestsTransport(**_timeouts(config))
    plain.open()
    # Or else a .netrc that names the host would replace our token by a password.
    plain.session.auth = lambda request: request
    return plain.session


def _timeouts(config: AzureConfig) -> dict[str, Any]:
    return {"connection_timeout": config.connect_timeout, "read_timeout": config.read_timeout}
