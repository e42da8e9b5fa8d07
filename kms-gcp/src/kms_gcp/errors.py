"""What Google Cloud says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK is looked at, and not repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import requests
import urllib3
from google.api_core import exceptions as sdk
from google.auth import exceptions as auth

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
from kms_core.backend import Clue, ErrorTable, Meaning

_CREDENTIALS = (
    "the credentials were not accepted; check credentialsPath (or where the SDK finds them), "
    "universeDomain, and this machine's clock"
)
_DENIED = "grant this permission to the service account, in a role on the resource"
_NO_API = "the API is disabled; enable it with `gcloud services enable`, and wait some minutes"
_NO_BILLING = "billing is disabled for the project; enable it in the Google Cloud console"
_NO_SCOPE = (
    "the token's scopes do not allow this; give the virtual machine, or the login, the scope "
    "https://www.googleapis.com/auth/cloud-platform"
)
_PERIMETER = (
    "VPC Service Controls refuse it; call from inside the perimeter, or add an ingress rule"
)
_NO_PAYER = (
    "grant serviceusage.services.use on the project that pays (quotaProject, or the credentials' "
    "own) to the service account"
)
_BUCKETS_KEY = (
    "Cloud Storage may not use the key that encrypts the bucket; grant its service agent "
    "roles/cloudkms.cryptoKeyEncrypterDecrypter on that key, and check that the key is enabled"
)
_PAYS = "the bucket is requester pays; give quotaProject"
_POLICY = (
    "an organization policy refuses such a bucket; give a location that it allows, or create the "
    "bucket yourself"
)
_BUSY = "the quota is used up; try again later, or ask for a higher quota"
_AWAY = "the service failed or did not answer in time; try again later"
_ODD_ANSWER = "the answer holds no token; check proxy and network, or try again"
_NETWORK = "the service was not reached or its answer was lost; check endpoint and network"
_TLS = "its certificate is not trusted; check endpoint, and name its authority in "
_GRPC_TLS, _HTTP_TLS = _TLS + "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", _TLS + "REQUESTS_CA_BUNDLE"
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
_WHERE = "check endpoint and proxy, or try again"
_CHANGED = "the record has changed since it was read; read it again"
_LATER = "for now"

_MISSING = ("no such object", ": not found")  # the second without a page around it: emulators
_PHRASES: tuple[tuple[type[BaseException], str, Meaning], ...] = (
    (sdk.InvalidArgument, "checksum in field", Meaning(UnavailableError, _DAMAGED)),
    (sdk.BadRequest, "crc32c", Meaning(UnavailableError, _DAMAGED)),
    (sdk.NotFound, "bucket does not exist", Meaning(ConfigError, _NO_BUCKET)),
    *((sdk.NotFound, phrase, Meaning(ConfigError, _NO_BUCKET)) for phrase in _MISSING),
    (sdk.ServiceUnavailable, "certificate", Meaning(UnavailableError, _GRPC_TLS)),
    (sdk.BadRequest, "requester pays", Meaning(ConfigError, _PAYS)),
    (sdk.Forbidden, "cloud kms key", Meaning(AccessDeniedError, _BUCKETS_KEY)),
)
"""Where one class of the SDK means two things, and only the service's text tells which."""

_REASONS: Mapping[Clue, Meaning] = {
    # ErrorInfo's, https://cloud.google.com/apis/design/errors
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Meaning(AccessDeniedError, _NO_SCOPE),
    "BILLING_DISABLED": Meaning(AccessDeniedError, _NO_BILLING),
    "RATE_LIMIT_EXCEEDED": Meaning(ThrottledError, _BUSY),
    "SECURITY_POLICY_VIOLATED": Meaning(AccessDeniedError, _PERIMETER),
    "SERVICE_DISABLED": Meaning(AccessDeniedError, _NO_API),
    "USER_PROJECT_DENIED": Meaning(AccessDeniedError, _NO_PAYER),
    # https://cloud.google.com/storage/docs/json_api/v1/status-codes
    "accessNotConfigured": Meaning(AccessDeniedError, _NO_API),
    "accountDisabled": Meaning(AccessDeniedError, _NO_BILLING),
    "insufficientPermissions": Meaning(AccessDeniedError, _NO_SCOPE),
    "rateLimitExceeded": Meaning(ThrottledError, _BUSY),
    "userProjectAccountProblem": Meaning(AccessDeniedError, _NO_PAYER),
    "vpcServiceControls": Meaning(AccessDeniedError, _PERIMETER),
}
"""Why a call is forbidden, where it is for another reason than a missing permission."""

_TOKENS: Mapping[Clue, Meaning] = {
    _LATER: Meaning(UnavailableError, _AWAY),
    auth.GoogleAuthError: Meaning(AuthenticationError, _CREDENTIALS),
    auth.TransportError: Meaning(UnavailableError, _NETWORK),
}
"""The SDK may also renew a token in the middle of a call."""

_SHARED: Mapping[Clue, Meaning] = {
    **_TOKENS,
    sdk.RetryError: Meaning(UnavailableError, _AWAY),  # its cause counts
    sdk.GoogleAPICallError: Meaning(OperationError, _REFUSED),
    sdk.Unauthorized: Meaning(AuthenticationError, _CREDENTIALS),
    sdk.Forbidden: Meaning(AccessDeniedError, _DENIED),
    sdk.TooManyRequests: Meaning(ThrottledError, _BUSY),
    sdk.Aborted: Meaning(UnavailableError, _AWAY),
    sdk.Cancelled: Meaning(UnavailableError, _AWAY),
    sdk.ServerError: Meaning(UnavailableError, _AWAY),
    sdk.MethodNotImplemented: Meaning(OperationError, _REFUSED),
    **{phrase: meaning for _, phrase, meaning in _PHRASES},
    **_REASONS,
}
"""By the SDK's class, the nearest base class first; by what only the service's text tells."""

_REASON = re.compile(r"""['"]reason['"]: ?['"](\w+)['"]""")
_VERSION = re.compile(r"/(cryptoKeyVersions/\d+)")
_REQUEST_TIMEOUT = 408


def _find_clues(error: BaseException) -> Iterator[Clue]:
    """The service's code, to be shown; a reason; a phrase of its text; then the SDK's classes."""
    if isinstance(error, sdk.RetryError):
        error = _last_try(error)
    yield _code(error)
    if isinstance(error, sdk.Forbidden):
        yield from _reasons(error)
    text = f"{error} {getattr(error, 'errors', '')}".lower()
    yield from (
        phrase for kind, phrase, _ in _PHRASES if isinstance(error, kind) and phrase in text
    )
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
    # The service says which version of ours is disabled; only its number is taken over.
    version = _VERSION.search(str(error)) if isinstance(error, sdk.FailedPrecondition) else None
    return f"{version[1]}: {code}" if version else code


CREDENTIALS = ErrorTable(
    (auth.GoogleAuthError, ValueError, TypeError, AttributeError, LookupError),
    {**_TOKENS, Exception: Meaning(UnavailableError, _ODD_ANSWER)},
    _find_clues,
)
"""Finding credentials, or renewing them. The SDK takes the answer for what it should be."""

_KMS_ERRORS = (sdk.RetryError, sdk.GoogleAPICallError, auth.GoogleAuthError)
KEK = ErrorTable(
    _KMS_ERRORS,
    {
        **_SHARED,
        sdk.NotFound: Meaning(KekNotFoundError, _NO_KEK),
        sdk.FailedPrecondition: Meaning(KekDisabledError, _DISABLED),
        sdk.InvalidArgument: Meaning(ConfigError, _SYMMETRIC),
    },
    _find_clues,
)
"""A call of Cloud KMS."""

UNWRAP = KEK.but({sdk.InvalidArgument: Meaning(UnwrapError)})
"""Decrypt, which calls invalid what does not authenticate."""

_HTTP: Mapping[Clue, Meaning] = {
    requests.RequestException: Meaning(UnavailableError, _NETWORK),
    requests.exceptions.SSLError: Meaning(UnavailableError, _HTTP_TLS),
    urllib3.exceptions.HTTPError: Meaning(UnavailableError, _NETWORK),
    ConnectionError: Meaning(UnavailableError, _NETWORK),
    Exception: Meaning(UnavailableError, _AWAY),  # the cause of a RetryError may be anything
}
"""What the SDK of Cloud Storage lets through."""

STORAGE = ErrorTable(
    (*_KMS_ERRORS, requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError),
    {
        **_SHARED,
        **_HTTP,
        sdk.NotFound: Meaning(ConfigError, _NO_BUCKET),
        sdk.Conflict: Meaning(ConflictError, "somebody else is changing it now; try again"),
        sdk.PreconditionFailed: Meaning(
            DekExistsError, "a record of this dek_id is already stored"
        ),
    },
    _find_clues,
)
"""A call about the bucket, or one that creates an object."""

BUCKET = STORAGE.but({sdk.PreconditionFailed: Meaning(ConfigError, _POLICY)})
"""Creating the bucket, which has no precondition but those of the organization."""

_NO_RECORD = Meaning(DekNotFoundError, "no record of this dek_id is stored")
_NOT_FOUND: Mapping[Clue, Meaning] = {
    sdk.NotFound: Meaning(UnavailableError, "the answer is not Cloud Storage's; " + _WHERE),
    **dict.fromkeys(_MISSING, _NO_RECORD),
}
RECORD = STORAGE.but(
    {
        **_NOT_FOUND,
        sdk.Forbidden: Meaning(AccessDeniedError, _DENIED + _HIDDEN, maybe_missing=True),
    }
)
"""Reading an object, where the service may deny what is missing."""

METADATA = RECORD.but(
    dict.fromkeys(_MISSING, Meaning(UnavailableError, "the record changed; try again"))
)
"""Asking for the hash of what was read, which somebody may have replaced since."""

REPLACE = STORAGE.but({sdk.PreconditionFailed: Meaning(ConflictError, _CHANGED)})
"""Writing an object that has to be at a generation."""

DELETE = REPLACE.but(_NOT_FOUND)
"""Deleting an object that has to be at a generation."""
