"""Google credentials, and clients that go where the config says and wait no longer."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import google.auth
import google.auth.credentials
from google.api_core import exceptions as sdk
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account
from pydantic import TypeAdapter

from kms_core import AccessDeniedError, ConfigError
from kms_core.backend import Endpoint, mute_logging
from kms_gcp.config import GcpConfig

_TALKATIVE = (
    "google.auth.transport.requests",
    "google.cloud.kms_v1.services.key_management_service.transports.grpc",
)
"""Loggers whose debug log holds whole messages and headers, and so DEKs and tokens."""

_from_service_account: Any = service_account.Credentials.from_service_account_info


def load_credentials(path: Path | None, scope: str) -> google.auth.credentials.Credentials:
    """Credentials for one scope. With a path, nothing in the environment counts.

    Raises:
        ConfigError: the file is not there, or is no service account file.
        AccessDeniedError: without a path, the SDK found no credentials.
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


def _read_service_account(path: Path, scope: str) -> google.auth.credentials.Credentials:
    try:
        document = json.loads(path.read_bytes())
        TypeAdapter(Endpoint).validate_python(document["token_uri"])
        credentials: google.auth.credentials.Credentials = _from_service_account(
            document, scopes=[scope]
        )
        return credentials
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        problem = "is not a service account file; download a key of the service account as JSON"
    # Raised here and not above: those errors may carry the file's content.
    raise ConfigError(f"credentialsPath: {str(path)!r} {problem}")


class Calls:
    """The arguments of each call, from the config.

    Encrypt, Decrypt and GetCryptoKeyVersion change nothing, so they are tried again after a
    time-out or when the service is unavailable, as the SDK does by itself.
    """

    def __init__(self, config: GcpConfig) -> None:
        retry = Retry(
            predicate=if_exception_type(sdk.DeadlineExceeded, sdk.ServiceUnavailable),
            initial=0.1,
            multiplier=1.3,
            maximum=5.0,
            timeout=config.deadline,
        )
        # A plain number would be the time for all tries together.
        timeout = ConstantTimeout(config.timeout)  # type: ignore[no-untyped-call] # the SDK lacks types
        self.grpc: dict[str, Any] = {"retry": retry, "timeout": timeout}


def muted() -> AbstractContextManager[None]:
    """Keep what the SDK does in a block out of its log."""
    return mute_logging(*_TALKATIVE)
