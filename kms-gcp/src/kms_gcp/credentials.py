"""Google credentials: a service account file, or else application default credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import google.auth
import google.auth.credentials
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account
from pydantic import TypeAdapter

from kms_core import AccessDeniedError, ConfigError
from kms_core.backend import Endpoint

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
