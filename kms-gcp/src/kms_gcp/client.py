"""Google credentials, and clients that go where the config says and wait no longer."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

import google.auth
import google.auth.credentials
from google.api_core import exceptions as sdk
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from kms_core import AccessDeniedError, ConfigError
from kms_core.backend import (
    Endpoint,
    PerProcess,
    mute_logging,
    read_secret_file,
    translate_errors,
)
from kms_gcp.config import GcpConfig
from kms_gcp.errors import CREDENTIALS

Credentials = google.auth.credentials.Credentials
ClientT = TypeVar("ClientT")

_TALKATIVE = (
    "google.auth.transport.requests",
    "google.cloud.kms_v1.services.key_management_service.transports.grpc",
)
"""Loggers whose debug log holds whole messages and headers, and so DEKs and tokens."""

_from_service_account: Any = service_account.Credentials.from_service_account_info
_signing: Any = partial(
    service_account.Credentials.with_always_use_jwt_access, always_use_jwt_access=True
)


class GcpClient(Generic[ClientT]):
    """Clients of one service, one for each process.

    Args:
        open_client: opens a client with these credentials.
        close_client: closes it.
        config: whose credentials, and how long to wait for them.
        scope: what the credentials are for.
        signs_tokens: a service account signs its tokens itself (Google's AIP-4111), as the SDK
            of Cloud KMS has it do; nothing is requested for them.
    """

    def __init__(
        self,
        open_client: Callable[[Credentials], ClientT],
        close_client: Callable[[ClientT], None],
        config: GcpConfig,
        scope: str,
        *,
        signs_tokens: bool = False,
    ) -> None:
        def open_with_credentials() -> tuple[ClientT, Credentials, Lock]:
            credentials = load_credentials(config.credentials_path, scope)
            if signs_tokens and isinstance(credentials, service_account.Credentials):
                credentials = _signing(credentials)
            return open_client(credentials), credentials, Lock()

        self._opened = PerProcess(open_with_credentials, lambda opened: close_client(opened[0]))
        self._request = partial(Request(), timeout=config.connect_timeout + config.read_timeout)

    def get(self) -> ClientT:
        """The client, once there are credentials that have not expired.

        Inside a call gRPC would tell whatever goes wrong with them as an outage.

        Raises:
            KmsError: there are no credentials, or they cannot be renewed.
        """
        client, credentials, renewing = self._opened.get()
        if not credentials.valid:
            with renewing:  # or each of many threads would ask for a token
                self._renew(credentials)
        return client

    def close(self) -> None:
        """Close its connections."""
        self._opened.close()

    def _renew(self, credentials: Credentials) -> None:
        if not credentials.valid:
            with muted(), translate_errors(CREDENTIALS, "finding credentials", "this machine"):
                credentials.refresh(self._request)  # type: ignore[no-untyped-call] # the SDK lacks types


def load_credentials(path: Path | None, scope: str) -> Credentials:
    """Credentials for one scope. With a path, nothing in the environment counts.

    Raises:
        ConfigError: the file is not there, or is no service account file.
        AccessDeniedError: others may read or change the file; or, without a path, the SDK found
            no credentials.
    """
    if path is not None:
        return _read_service_account(path, scope)
    try:
        credentials, _ = google.auth.default(scopes=[scope])
    except GoogleAuthError as error:
        raise AccessDeniedError(
            "no application default credentials were found; give credentialsPath, run where a "
            "service account is attached, or run `gcloud auth application-default login`"
        ) from error
    return credentials


def _read_service_account(path: Path, scope: str) -> Credentials:
    try:
        document = json.loads(read_secret_file(path))
        Endpoint(document["token_uri"])
        credentials: Credentials = _from_service_account(document, scopes=[scope])
        return credentials
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        problem = "is not a service account file; download a key of the service account as JSON"
    # Raised here and not above: those errors may carry the file's content.
    raise ConfigError(f"credentialsPath: {str(path)!r} {problem}")


def limit_attempts(
    is_transient: Callable[[Exception], bool], attempts: int
) -> Callable[[Exception], bool]:
    """A predicate for the SDK's retry of one call: it tries so often and no more."""
    left = iter(range(attempts - 1, 0, -1))
    return lambda error: is_transient(error) and next(left, 0) > 0


_is_transient = if_exception_type(sdk.DeadlineExceeded, sdk.ServiceUnavailable)


def kms_arguments(config: GcpConfig) -> dict[str, Any]:
    """The arguments of one call of Cloud KMS.

    Encrypt, Decrypt and GetCryptoKeyVersion change nothing, so they are tried again after a
    time-out or when the service is unavailable, as the SDK does by itself.
    """
    retry = Retry(
        predicate=limit_attempts(_is_transient, config.max_attempts),
        initial=0.1,
        multiplier=1.3,
        maximum=5.0,
        timeout=config.deadline,
    )
    # A plain number would be the time for all tries together.
    each = ConstantTimeout(config.connect_timeout + config.read_timeout)  # type: ignore[no-untyped-call] # the SDK lacks types
    return {"retry": retry, "timeout": each}


def muted() -> AbstractContextManager[None]:
    """Keep what the SDK does in a block out of its log."""
    return mute_logging(*_TALKATIVE)
