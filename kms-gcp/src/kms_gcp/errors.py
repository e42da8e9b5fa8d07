"""What Google Cloud says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK is looked at, and not repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from ssl import SSLCertVerificationError
from typing import Any

import requests
import urllib3
from google.api_core import exceptions as sdk
from google.auth import exceptions as auth
from urllib3.exceptions import NameResolutionError, ProxyError

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    OperationError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import Clue, ErrorTable, Meaning, find_host, inner_errors
from kms_gcp import cures

_LATER, _PROXY = "for now", "a proxy of gRPC's"
_REFUSED = "remote host: connection refused"
# And no word less: gRPC speaks of certificates wherever a handshake fails.
_UNTRUSTED = ("certificate_verify_failed", "peer certificate", "hostname verification check")

_MISSING = ("no such object", ": not found")  # the second without a page around it: emulators
_NOT_GOOGLE = Meaning(UnavailableError, "the answer is not Cloud Storage's; " + cures.WHERE)
_NO_HOST = Meaning(UnavailableError, cures.GRPC_NO_HOST, code="DNS")
_CLOCK = Meaning(AuthenticationError, cures.CLOCK, code="CLOCK")
_PHRASES: tuple[tuple[type[BaseException], str, Meaning], ...] = (
    (sdk.InvalidArgument, "checksum in field", Meaning(UnavailableError, cures.DAMAGED)),
    (sdk.BadRequest, "crc32c", Meaning(UnavailableError, cures.DAMAGED)),
    (sdk.NotFound, "bucket does not exist", Meaning(ConfigError, cures.NO_BUCKET)),
    *((sdk.NotFound, phrase, Meaning(ConfigError, cures.NO_BUCKET)) for phrase in _MISSING),
    (sdk.NotFound, "was sent to location", Meaning(KekNotFoundError, cures.NO_LOCATION)),
    (sdk.FailedPrecondition, "state is: disabled", Meaning(KekDisabledError, cures.DISABLED)),
    (sdk.FailedPrecondition, "state is: destroyed", Meaning(KekDisabledError, cures.DESTROYED)),
    (
        sdk.FailedPrecondition,
        "state is: destroy_scheduled",
        Meaning(KekDisabledError, cures.SCHEDULED),
    ),
    *((kind, "<html", _NOT_GOOGLE) for kind in (sdk.Conflict, sdk.PreconditionFailed)),
    *(
        (sdk.ServiceUnavailable, phrase, Meaning(ConfigError, cures.GRPC_TLS, code="TLS"))
        for phrase in _UNTRUSTED
    ),
    (
        sdk.ServiceUnavailable,
        "errors resolving",
        Meaning(UnavailableError, cures.GRPC_NO_HOST, code="DNS"),
    ),
    (
        sdk.ServiceUnavailable,
        "resolution failed",
        Meaning(UnavailableError, cures.GRPC_NO_HOST, code="DNS"),
    ),
    (sdk.ServiceUnavailable, _REFUSED, Meaning(UnavailableError, cures.NOBODY_LISTENS, code="TCP")),
    (sdk.ServiceUnavailable, "failed to connect", Meaning(UnavailableError, cures.GRPC_NETWORK)),
    (sdk.BadRequest, "requester pays", Meaning(ConfigError, cures.PAYS)),
    (sdk.Forbidden, "cloud kms key", Meaning(AccessDeniedError, cures.BUCKETS_KEY)),
    (
        auth.RefreshError,
        "short-lived token",
        Meaning(AuthenticationError, cures.CLOCK, code="CLOCK"),
    ),
    (auth.RefreshError, "invalid jwt signature", Meaning(AuthenticationError, cures.NO_KEY)),
    (auth.RefreshError, "account not found", Meaning(AuthenticationError, cures.NO_ACCOUNT)),
    (auth.RefreshError, "expired or revoked", Meaning(AuthenticationError, cures.LOGIN)),
    (auth.RefreshError, "reauth", Meaning(AuthenticationError, cures.LOGIN)),
)
"""Where one class of the SDK means two things, and only the service's text tells which."""

_REASONS: Mapping[Clue, Meaning] = {
    # ErrorInfo's, https://cloud.google.com/apis/design/errors
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Meaning(AccessDeniedError, cures.NO_SCOPE),
    "BILLING_DISABLED": Meaning(AccessDeniedError, cures.NO_BILLING),
    "RATE_LIMIT_EXCEEDED": Meaning(ThrottledError, cures.BUSY),
    "SECURITY_POLICY_VIOLATED": Meaning(AccessDeniedError, cures.PERIMETER),
    "SERVICE_DISABLED": Meaning(AccessDeniedError, cures.NO_API.format("cloudkms")),
    "USER_PROJECT_DENIED": Meaning(AccessDeniedError, cures.NO_PAYER),
    # https://cloud.google.com/storage/docs/json_api/v1/status-codes
    "accessNotConfigured": Meaning(AccessDeniedError, cures.NO_API.format("storage")),
    "accountDisabled": Meaning(AccessDeniedError, cures.NO_BILLING),
    "insufficientPermissions": Meaning(AccessDeniedError, cures.NO_SCOPE),
    "rateLimitExceeded": Meaning(ThrottledError, cures.BUSY),
    "userProjectAccountProblem": Meaning(AccessDeniedError, cures.NO_PAYER),
    "vpcServiceControls": Meaning(AccessDeniedError, cures.PERIMETER),
}
"""Why a call is forbidden, where it is for another reason than a missing permission."""

_TOKENS: Mapping[Clue, Meaning] = {
    _LATER: Meaning(UnavailableError, cures.AWAY),
    auth.GoogleAuthError: Meaning(AuthenticationError, cures.CREDENTIALS),
    auth.TransportError: Meaning(UnavailableError, cures.NETWORK),
    SSLCertVerificationError: Meaning(ConfigError, cures.HTTP_TLS, code="TLS"),
    NameResolutionError: Meaning(UnavailableError, cures.NO_HOST, code="DNS"),
    ProxyError: Meaning(UnavailableError, cures.PROXY, code="PROXY"),
    _PROXY: Meaning(UnavailableError, cures.GRPC_PROXY, code="PROXY"),
    ConnectionRefusedError: Meaning(UnavailableError, cures.NOBODY_LISTENS, code="TCP"),
    **{phrase: meaning for _, phrase, meaning in _PHRASES},
}
"""The SDK may also renew a token in the middle of a call."""

_SHARED: Mapping[Clue, Meaning] = {
    **_TOKENS,
    sdk.RetryError: Meaning(UnavailableError, cures.AWAY),  # its cause counts
    sdk.GoogleAPICallError: Meaning(OperationError, cures.REFUSED),
    sdk.Unauthorized: Meaning(AuthenticationError, cures.CREDENTIALS),
    sdk.Forbidden: Meaning(AccessDeniedError, cures.KEY_DENIED),
    sdk.TooManyRequests: Meaning(ThrottledError, cures.BUSY),
    sdk.Aborted: Meaning(UnavailableError, cures.AWAY),
    sdk.Cancelled: Meaning(UnavailableError, cures.AWAY),
    sdk.ServerError: Meaning(UnavailableError, cures.AWAY),
    sdk.MethodNotImplemented: Meaning(OperationError, cures.REFUSED),
    **_REASONS,
}
"""By the SDK's class, the nearest base class first; by what only the service's text tells."""

_REASON = re.compile(r"""['"]reason['"]: ?['"](\w+)['"]""")
_NAMED = re.compile(r"cryptoKeyVersions/\d+|constraints/[\w.]+")
_ADDRESS = re.compile(r"(?:ipv[46]:|errors resolving |resolution failed for )([\w.:%\[\]-]+[\w\]])")
PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
"""https://github.com/grpc/grpc/blob/master/doc/environment_variables.md"""
_REQUEST_TIMEOUT = 408


def _find_clues(error: BaseException) -> Iterator[Clue]:
    """The service's code, to be shown; a reason; a phrase of its text; then the SDK's classes."""
    if isinstance(error, sdk.RetryError):
        error = _last_try(error)
    yield _code(error)
    if isinstance(error, sdk.Forbidden):
        yield from _reasons(error)
    text = f"{error} {getattr(error, 'errors', '')}".lower()
    phrases = [phrase for kind, phrase, _ in _PHRASES if isinstance(error, kind) and phrase in text]
    if phrases[:1] == [_REFUSED] and _is_proxy(_host_of_grpc(error)):
        yield _PROXY
    yield from phrases
    yield from (type(inner) for inner in inner_errors(error) if isinstance(inner, _OF_TRANSPORT))
    if isinstance(error, auth.RefreshError) and isinstance(error.__cause__, auth.TransportError):
        yield auth.TransportError  # the metadata server's, in which only the cause tells it
    if getattr(error, "retryable", False) or getattr(error, "code", 0) == _REQUEST_TIMEOUT:
        yield _LATER  # a token could not be obtained for now, or took too long
    yield from type(error).__mro__


def _reasons(error: sdk.Forbidden) -> Iterator[Clue]:
    """By gRPC in its details; by HTTP in the answer, of which a download keeps only the text."""
    yield str(error.reason)
    yield from _REASON.findall(f"{error} {error.errors}")


def _last_try(error: sdk.RetryError) -> BaseException:
    cause = error.cause or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status is not None and not isinstance(cause, sdk.GoogleAPICallError):
        # Cloud Storage's own InvalidResponse, which it translates only when it does not try again.
        from_status: Any = sdk.from_http_status
        refusal: BaseException = from_status(status, "")
        return refusal
    return cause


def _code(error: BaseException) -> str:
    status = getattr(error, "grpc_status_code", None)
    code = str(status.name if status else getattr(error, "code", None) or type(error).__name__)
    host = find_host(error) or _host_of_grpc(error)
    if host is not None:
        return f"{code} at {host}"
    # The service says which version of ours is disabled, or which constraint of an organization's
    # policy is violated; no more of its text is taken over.
    of_state = isinstance(error, (sdk.FailedPrecondition, sdk.PreconditionFailed))
    named = _NAMED.search(str(error)) if of_state else None
    return f"{named[0]}: {code}" if named else code


def _host_of_grpc(error: BaseException) -> str | None:
    """The address that gRPC itself could not reach."""
    found = _ADDRESS.search(str(error)) if isinstance(error, sdk.ServiceUnavailable) else None
    return found[1] if found else None


def _is_proxy(address: str | None) -> bool:
    """Whether gRPC was on its way to a proxy: it tells the address, and not whose that is."""
    proxy = next(filter(None, map(os.environ.get, PROXIES)), "")
    return (
        address is not None and address.rpartition(":")[2] == proxy.rstrip("/").rpartition(":")[2]
    )


_OF_TRANSPORT = (SSLCertVerificationError, NameResolutionError, ProxyError, ConnectionRefusedError)
CREDENTIALS = ErrorTable(
    (auth.GoogleAuthError, ValueError, TypeError, AttributeError, LookupError),
    {**_TOKENS, Exception: Meaning(UnavailableError, cures.ODD_ANSWER)},
    _find_clues,
)
"""Finding credentials, or renewing them. The SDK takes the answer for what it should be."""

_KMS_ERRORS = (sdk.RetryError, sdk.GoogleAPICallError, auth.GoogleAuthError)
KEK = ErrorTable(
    _KMS_ERRORS,
    {
        **_SHARED,
        sdk.NotFound: Meaning(KekNotFoundError, cures.NO_KEK),
        sdk.FailedPrecondition: Meaning(KekDisabledError, cures.NOT_ENABLED),
        sdk.InvalidArgument: Meaning(ConfigError, cures.SYMMETRIC),
    },
    _find_clues,
)
"""A call of Cloud KMS."""

UNWRAP = KEK.but(
    {
        sdk.Forbidden: Meaning(AccessDeniedError, cures.UNWRAP_DENIED),
        sdk.InvalidArgument: Meaning(UnwrapError),
    }
)
"""Decrypt, of the key that has wrapped; it calls invalid what does not authenticate."""

_HTTP: Mapping[Clue, Meaning] = {
    requests.RequestException: Meaning(UnavailableError, cures.NETWORK),
    requests.exceptions.SSLError: Meaning(UnavailableError, cures.BAD_TLS, code="TLS"),
    urllib3.exceptions.HTTPError: Meaning(UnavailableError, cures.NETWORK),
    ConnectionError: Meaning(UnavailableError, cures.NETWORK),
    Exception: Meaning(UnavailableError, cures.AWAY),  # the cause of a RetryError may be anything
}
"""What the SDK of Cloud Storage lets through."""

STORAGE = ErrorTable(
    (*_KMS_ERRORS, requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError),
    {
        **_SHARED,
        **_HTTP,
        sdk.Forbidden: Meaning(AccessDeniedError, cures.OBJECT_DENIED),
        sdk.NotFound: Meaning(ConfigError, cures.NO_BUCKET),
        sdk.Conflict: Meaning(ConflictError, "somebody else is changing it now; try again"),
        sdk.PreconditionFailed: Meaning(
            DekExistsError, "a record of this dek_id is already stored"
        ),
    },
    _find_clues,
)
"""A call about the bucket, or one that creates an object."""

BUCKET = STORAGE.but(
    {
        sdk.Forbidden: Meaning(AccessDeniedError, cures.BUCKET_DENIED),
        sdk.PreconditionFailed: Meaning(ConfigError, cures.POLICY),
    }
)
"""Looking for the bucket, or creating it: no precondition but those of the organization."""

DESCRIBE = STORAGE.but({sdk.Forbidden: Meaning(AccessDeniedError, cures.BUCKET_HIDDEN)})
"""Asking for the bucket's own settings, which no record needs."""

_NO_RECORD = Meaning(DekNotFoundError, "no record of this dek_id is stored")
_NOT_FOUND: Mapping[Clue, Meaning] = {
    sdk.NotFound: _NOT_GOOGLE,
    **dict.fromkeys(_MISSING, _NO_RECORD),
}
RECORD = STORAGE.but(
    {
        **_NOT_FOUND,
        sdk.Forbidden: Meaning(
            AccessDeniedError, cures.OBJECT_DENIED + cures.HIDDEN, maybe_missing=True
        ),
    }
)
"""Reading an object, where the service may deny what is missing."""

METADATA = RECORD.but(
    dict.fromkeys(_MISSING, Meaning(UnavailableError, "the record changed; try again"))
)
"""Asking for the hash of what was read, which somebody may have replaced since."""

REPLACE = STORAGE.but({sdk.PreconditionFailed: Meaning(ConflictError, cures.CHANGED)})
"""Writing an object that has to be at a generation."""

DELETE = REPLACE.but(_NOT_FOUND)
"""Deleting an object that has to be at a generation."""
