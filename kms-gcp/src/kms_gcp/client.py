"""Clients that go where the config says, with credentials of ours, and wait no longer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.api_core import exceptions as sdk
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout

from kms_core.backend import PerProcess, mute_logging
from kms_gcp.config import GcpConfig
from kms_gcp.credentials import Token

ClientT = TypeVar("ClientT")

_TALKATIVE = (
    "google.auth.transport.requests",
    "google.cloud.kms_v1.services.key_management_service.transports.grpc",
)
"""Loggers whose debug log holds whole messages and headers, and so DEKs and tokens."""


@dataclass
class _Opened(Generic[ClientT]):
    client: ClientT
    token: Token


class GcpClient(Generic[ClientT]):
    """Clients of one service, one for each process.

    Args:
        open_token: finds credentials.
        open_client: opens a client with them.
        close_client: closes it.
    """

    def __init__(
        self,
        open_token: Callable[[], Token],
        open_client: Callable[[Token], ClientT],
        close_client: Callable[[ClientT], None],
    ) -> None:
        def open_both() -> _Opened[ClientT]:
            token = open_token()
            return _Opened(open_client(token), token)

        def close_both(opened: _Opened[ClientT]) -> None:
            close_client(opened.client)
            opened.token.close()

        self._open_client = open_client
        self._opened = PerProcess(open_both, close_both)

    def get(self) -> ClientT:
        """The client, once there is a token that has not expired.

        Raises:
            KmsError: there are no credentials, or they cannot be renewed.
        """
        opened = self._opened.get()
        opened.token.ensure()
        return opened.client

    def headers(self) -> dict[str, str]:
        """The headers of a call, for a client that does not ask the token for them itself."""
        return self._opened.get().token.headers()

    def replace(self, client: ClientT) -> None:
        """Open another client in place of one whose connection is lost; calls in it may end."""
        opened = self._opened.get()
        if opened.client is client:
            opened.client = self._open_client(opened.token)

    def close(self) -> None:
        """Close its connections."""
        self._opened.close()


def retry_one_call(
    is_transient: Callable[[Exception], bool], config: GcpConfig, initial: float, multiplier: float
) -> Retry:
    """The SDK's retry of one call, which tries as often as the config says and no more.

    Args:
        is_transient: whether an error may pass.
        config: how often, and for how long.
        initial: seconds to wait before the second try, at most.
        multiplier: how much longer each further wait is.
    """
    left = iter(range(config.max_attempts - 1, 0, -1))
    return Retry(
        predicate=lambda error: is_transient(error) and next(left, 0) > 0,
        initial=initial,
        multiplier=multiplier,
        maximum=5.0,
        timeout=config.deadline,
    )


_is_transient = if_exception_type(sdk.DeadlineExceeded, sdk.ServiceUnavailable)


def kms_arguments(config: GcpConfig) -> dict[str, Any]:
    """The arguments of one call of Cloud KMS.

    Encrypt, Decrypt and GetCryptoKeyVersion change nothing, so they are tried again after a
    time-out or when the service is unavailable, as the SDK does by itself.
    """
    retry = retry_one_call(_is_transient, config, initial=0.1, multiplier=1.3)
    # A plain number would be the time for all tries together.
    each = ConstantTimeout(config.connect_timeout + config.read_timeout)  # type: ignore[no-untyped-call] # the SDK lacks types
    return {"retry": retry, "timeout": each}


def muted() -> AbstractContextManager[None]:
    """Keep what the SDK does in a block out of its log."""
    return mute_logging(*_TALKATIVE, others="google")
