"""What Google Cloud says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK is looked at, and not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import requests
import urllib3
from google.api_core import exceptions as sdk
from google.auth import exceptions as auth

from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    OperationError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import mute_logging

TALKATIVE = (
    "google.auth.transport.requests",
    "google.cloud.kms_v1.services.key_management_service.transports.grpc",
)
"""Loggers whose debug log holds whole messages and headers, and so DEKs and tokens."""

Table: TypeAlias = Mapping[type[Exception], tuple[type[KmsError], str]]

_CREDENTIALS = (
    "the credentials were not accepted; check credentialsPath, or where the SDK finds them"
)
_DENIED = "grant this permission to the service account, in a role on the resource"
_BUSY = "the quota is used up; try again later, or ask for a higher quota"
_AWAY = "the service failed or did not answer in time; try again later"
_NETWORK = "the service was not reached or its answer was lost; check endpoint and network"
_NO_KEK = "there is no such KEK; check projectID, location, keyRing, keyName and keyVersion"
_DISABLED = "it is not enabled; enable or restore the version, or make an enabled version primary"
_SYMMETRIC = "use a KEK of the purpose ENCRYPT_DECRYPT; check keyName and keyVersion"
_HIDDEN = (
    "; or there is no such record, and the service says so only to those who also have "
    "storage.objects.list"
)
_NO_BUCKET = "there is no such bucket; create it, or set createBucket=true"
_DAMAGED = "the data was damaged on its way; try again"
_REFUSED = "the service refused the call; look the code up in its documentation"

_SHARED: Table = {
    sdk.RetryError: (UnavailableError, _AWAY),  # its cause counts
    sdk.GoogleAPICallError: (OperationError, _REFUSED),
    sdk.Unauthorized: (AccessDeniedError, _CREDENTIALS),
    sdk.Forbidden: (AccessDeniedError, _DENIED),
    sdk.TooManyRequests: (ThrottledError, _BUSY),
    sdk.Aborted: (UnavailableError, _AWAY),
    sdk.Cancelled: (UnavailableError, _AWAY),
    sdk.ServerError: (UnavailableError, _AWAY),
    sdk.MethodNotImplemented: (OperationError, _REFUSED),
    auth.GoogleAuthError: (AccessDeniedError, _CREDENTIALS),
    auth.TransportError: (UnavailableError, _NETWORK),
    requests.RequestException: (UnavailableError, _NETWORK),
    urllib3.exceptions.HTTPError: (UnavailableError, _NETWORK),
    ConnectionError: (UnavailableError, _NETWORK),
}
"""By the SDK's class; the nearest base class counts."""

KEK: Table = {
    **_SHARED,
    sdk.NotFound: (KekNotFoundError, _NO_KEK),
    sdk.FailedPrecondition: (KekDisabledError, _DISABLED),
    sdk.InvalidArgument: (ConfigError, _SYMMETRIC),
}
UNWRAP: Table = {**KEK, sdk.InvalidArgument: (UnwrapError, "")}
STORAGE: Table = {
    **_SHARED,
    sdk.NotFound: (ConfigError, _NO_BUCKET),
    sdk.Conflict: (ConflictError, "somebody else is changing it now; try again"),
    sdk.PreconditionFailed: (DekExistsError, "a record of this dek_id is already stored"),
}
RECORD: Table = {**STORAGE, sdk.NotFound: (DekNotFoundError, "no record of this dek_id is stored")}

_PHRASES: tuple[tuple[type[BaseException], str, type[KmsError], str], ...] = (
    (sdk.InvalidArgument, "checksum in field", UnavailableError, _DAMAGED),
    (sdk.BadRequest, "crc32c", UnavailableError, _DAMAGED),
    (sdk.NotFound, "bucket does not exist", ConfigError, _NO_BUCKET),
    (sdk.Forbidden, "ratelimitexceeded", ThrottledError, _BUSY),
)
"""Where one class of the SDK means two things, and only the service's text tells which."""

_VERSION = re.compile(r"/cryptoKeyVersions/(\d+)")
_REQUEST_TIMEOUT = 408


@contextmanager
def explained(table: Table, action: str, resource: str) -> Iterator[None]:
    """Around one call: what it raises becomes one of ours, and nothing of it is logged."""
    try:
        with mute_logging(*TALKATIVE):
            yield
    except tuple(table) as error:
        _drop_requests(error)
        raise _translate(error, table, action, resource) from error


def _translate(error: BaseException, table: Table, action: str, resource: str) -> KmsError:
    if isinstance(error, sdk.RetryError):
        error = _last_try(error)
    kind, advice = _by_phrase(error) or _by_class(error, table)
    if kind is UnwrapError:
        return UnwrapError()
    if version := _VERSION.search(str(error)) if kind is KekDisabledError else None:
        # The service says which version of ours it is; only its number is taken over.
        resource = f"{resource.partition('/cryptoKeyVersions/')[0]}{version[0]}"
    message = f"{action} on {resource}: {_code(error)}: {advice}"
    if table is RECORD and isinstance(error, sdk.Forbidden) and kind is AccessDeniedError:
        return AccessDeniedError(f"{message}{_HIDDEN}", maybe_missing=True)
    return kind(message)


def _last_try(error: sdk.RetryError) -> BaseException:
    cause = error.cause or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None and not isinstance(cause, sdk.GoogleAPICallError):
        # Cloud Storage's own InvalidResponse, which it translates only when it does not try again.
        from_status: Any = sdk.from_http_status
        refusal: BaseException = from_status(status, "")
        return refusal
    return cause


def _by_class(error: BaseException, table: Table) -> tuple[type[KmsError], str]:
    if getattr(error, "retryable", False) or getattr(error, "code", 0) == _REQUEST_TIMEOUT:
        return UnavailableError, _AWAY  # a token could not be had for now, or took too long
    return next((table[t] for t in type(error).__mro__ if t in table), (UnavailableError, _AWAY))


def _by_phrase(error: BaseException) -> tuple[type[KmsError], str] | None:
    text = f"{error} {getattr(error, 'errors', '')}".lower()
    found = (p for p in _PHRASES if isinstance(error, p[0]) and p[1] in text)
    return next(((kind, advice) for _, _, kind, advice in found), None)


def _code(error: BaseException) -> str:
    status = getattr(error, "grpc_status_code", None)
    return str(status.name if status else getattr(error, "code", None) or type(error).__name__)


def _drop_requests(error: BaseException | None) -> None:
    """Requests hold the token in their headers, and an error holds its request."""
    while error is not None:
        holders: tuple[Any, ...] = (error, getattr(error, "response", None))
        for holder in holders:
            if hasattr(holder, "request"):
                holder.request = None
        error = error.__cause__ or error.__context__
