"""What Azure says, in the words of kms-core.

Messages are ours alone: the text of a service or of the SDK may repeat what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from ssl import SSLCertVerificationError, SSLError
from typing import Any

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    DeserializationError,
    HttpResponseError,
)

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
)
from kms_core.backend import Clue, ErrorTable, Meaning

_DENIED = "allow it to these credentials"
_CREDENTIALS = (
    "no token could be obtained, or it was refused; check tenantID, clientID, clientSecret and "
    "whether the secret has expired, or where the SDK finds the credentials"
)
_FILE = "the token file cannot be read; check federatedTokenFile"
_UNTRUSTED = (
    "TLS: the certificate is not trusted here; have REQUESTS_CA_BUNDLE name a file that has its "
    "authority's, or check endpoint and proxy"
)
_TLS = "TLS failed; check endpoint and proxy, and REQUESTS_CA_BUNDLE if it is set, or try again"
_ALTERED = "the record was altered on its way; check the proxy, or try again"
_NOBODY = "what answers there is not Azure, or has nothing there; check names, endpoint and proxy"
_FIREWALL = "the resource's firewall refuses this network; allow it, or use a private endpoint"
_BUSY = "the service asks to slow down; try again later, or spread the load"
_AWAY = "the service failed; try again later"
_NETWORK = "the service was not reached or its answer was lost; check names, endpoint and network"
_STRANGE = "the answer is not Azure's; check endpoint and proxy"
_REFUSED = "the service refused the call; look the code up in its documentation"
_LEASED = "somebody holds a lease on it; end the lease"
_NO_NAME = "Blob Storage takes no such name; correct account, container or endpoint"

_CODES: Mapping[Clue, Meaning] = {
    # Key Vault and managed HSM, code or inner code
    "KeyNotFound": Meaning(
        KekNotFoundError,
        "there is no such KEK, or no such version; check vaultName and keyName, or recover the key",
    ),
    "KeyDisabled": Meaning(KekDisabledError, "the KEK is disabled; enable it"),
    "KeyExpired": Meaning(
        KekDisabledError, "the KEK has expired; rotate it, or set a later expiry date"
    ),
    "KeyNotYetValid": Meaning(
        KekDisabledError, "the KEK is not valid yet; wait, or set an earlier date"
    ),
    "BadParameter": Meaning(ConfigError, "use an RSA key, or an AES key of a managed HSM"),
    "AccessDenied": Meaning(AccessDeniedError, _DENIED),
    "ForbiddenByPolicy": Meaning(AccessDeniedError, _DENIED),
    "ForbiddenByRbac": Meaning(AccessDeniedError, _DENIED),
    "ForbiddenByConnection": Meaning(AccessDeniedError, _FIREWALL),
    "ForbiddenByFirewall": Meaning(AccessDeniedError, _FIREWALL),
    "Throttled": Meaning(ThrottledError, _BUSY),
    # Blob Storage
    "BlobNotFound": Meaning(DekNotFoundError, "no record of this dek_id is stored"),
    "BlobAlreadyExists": Meaning(DekExistsError, "a record of this dek_id is already stored"),
    "ConditionNotMet": Meaning(
        ConflictError, "the record has changed since it was read; read it again"
    ),
    "ContainerNotFound": Meaning(
        ConfigError,
        "there is no such container; create it, or set createContainer=true",
    ),
    "ContainerBeingDeleted": Meaning(
        UnavailableError,
        "the container is being deleted; try again in a minute, or choose another",
    ),
    "AuthorizationPermissionMismatch": Meaning(AccessDeniedError, _DENIED),
    "AuthorizationFailure": Meaning(
        AccessDeniedError, f"{_DENIED}, and their network by the firewall"
    ),
    "InsufficientAccountPermissions": Meaning(AccessDeniedError, _DENIED),
    "AuthenticationFailed": Meaning(
        AuthenticationError, f"{_CREDENTIALS}, and this machine's clock"
    ),
    "InvalidAuthenticationInfo": Meaning(AuthenticationError, _CREDENTIALS),
    "NoAuthenticationInformation": Meaning(AuthenticationError, _CREDENTIALS),
    "AccountIsDisabled": Meaning(AccessDeniedError, "the storage account is disabled; enable it"),
    "BlobImmutableDueToPolicy": Meaning(AccessDeniedError, "an immutability policy protects it"),
    "LeaseIdMissing": Meaning(OperationError, _LEASED),
    "BlobArchived": Meaning(OperationError, "the blob is archived; restore it to an online tier"),
    "BlobBeingRehydrated": Meaning(UnavailableError, "the blob is being restored; try again later"),
    "ResourceNotFound": Meaning(ConfigError, _NO_NAME),
    "InvalidResourceName": Meaning(ConfigError, _NO_NAME),
    "InvalidUri": Meaning(ConfigError, _NO_NAME),
    "OutOfRangeInput": Meaning(ConfigError, _NO_NAME),
    "Md5Mismatch": Meaning(UnavailableError, _ALTERED),
    "InvalidMd5": Meaning(UnavailableError, _ALTERED),
    "ServerBusy": Meaning(ThrottledError, _BUSY),
    "InternalError": Meaning(UnavailableError, _AWAY),
    "OperationTimedOut": Meaning(UnavailableError, _AWAY),
}

_STATUS: Mapping[Clue, Meaning] = {
    HTTPStatus.UNAUTHORIZED: Meaning(AuthenticationError, _CREDENTIALS),
    HTTPStatus.FORBIDDEN: Meaning(AccessDeniedError, _DENIED),
    HTTPStatus.NOT_FOUND: Meaning(ConfigError, _NOBODY),
    HTTPStatus.REQUEST_TIMEOUT: Meaning(UnavailableError, _NETWORK),
    HTTPStatus.TOO_MANY_REQUESTS: Meaning(ThrottledError, _BUSY),
    "5xx": Meaning(UnavailableError, _AWAY),
    ClientAuthenticationError: Meaning(AuthenticationError, _CREDENTIALS),
    "no failure": Meaning(UnavailableError, _STRANGE),
    DecodeError: Meaning(UnavailableError, _STRANGE),
    HttpResponseError: Meaning(OperationError, _REFUSED),
    AzureError: Meaning(UnavailableError, _NETWORK),
    SSLCertVerificationError: Meaning(ConfigError, _UNTRUSTED),
    SSLError: Meaning(UnavailableError, _TLS),
    DeserializationError: Meaning(UnavailableError, _STRANGE),
}
"""For codes that the table does not know: the HTTP status, or else the SDK's class."""


def call_table(role: str) -> ErrorTable:
    """What the errors of a call mean.

    Args:
        role: a built-in role that has the permissions.
    """
    denied = Meaning(AccessDeniedError, f"{_DENIED}, such as by the role {role}")
    named = {clue: denied for clue, meaning in _CALL.meanings.items() if meaning.cure is _DENIED}
    return _CALL.but(named)


def _find_clues(error: AzureError | DeserializationError) -> Iterator[Clue]:
    """The service's words, the most special one first; then the status; then the SDK's class."""
    if isinstance(error, HttpResponseError):
        status = error.status_code or 0
        yield from _codes(error)
        if status:
            yield from (f"HTTP status {status}", status, f"{status // 100}xx")
        if not isinstance(error, ClientAuthenticationError) and status < HTTPStatus.BAD_REQUEST:
            yield from (type(error).__name__, "no failure")
    yield from (type(inner) for inner in _within(error) if isinstance(inner, SSLError))
    yield from type(error).__mro__


def _within(error: Any) -> Iterator[BaseException]:
    """The errors that an error of the transport was made of, the outer one first."""
    while isinstance(error, BaseException):
        yield error
        parts = [getattr(error, "inner_exception", None), getattr(error, "reason", None)]
        error = next((e for e in [*parts, *error.args] if isinstance(e, BaseException)), None)


def _find_clues_of_credentials(error: BaseException) -> Iterator[Clue]:
    while type(error) is ClientAuthenticationError and isinstance(error.__cause__, _REASONS):
        error = error.__cause__  # why no token could be obtained: its issuer did not answer
    if isinstance(error, AzureError):
        yield from _find_clues(error)
    yield from type(error).__mro__


def _inner_error(error: HttpResponseError) -> Any:
    """Key Vault writes ``innererror``, or ``innerError``, which the SDK does not read."""
    details = getattr(error, "error", None)
    if details is None or error.response is None:
        return None
    document = json.loads(error.response.text())  # as the SDK has, or there would be no details
    return details.innererror or document.get("error", document).get("innerError")


def _codes(error: HttpResponseError) -> Iterator[str]:
    details = getattr(error, "error", None)
    inner = _inner_error(error)
    special = inner.get("code") if isinstance(inner, Mapping) else None
    codes = (special, getattr(error, "error_code", None), getattr(details, "code", None))
    yield from (str(getattr(code, "value", code)) for code in codes if code)


_UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_REASONS = (AzureError, *_UNREADABLE)

# The second is what the SDK raises of a header that it cannot read, and no AzureError.
_CALL = ErrorTable((AzureError, DeserializationError), {**_STATUS, **_CODES}, _find_clues)

CREDENTIALS = ErrorTable(
    (AzureError, *_UNREADABLE),
    {
        **_STATUS,
        HTTPStatus.FORBIDDEN: Meaning(AuthenticationError, _CREDENTIALS),
        **dict.fromkeys(_UNREADABLE, Meaning(ConfigError, _FILE)),
    },
    _find_clues_of_credentials,
)
"""Finding credentials: what an issuer of tokens says."""


def strange_reply(problem: str) -> UnavailableError:
    """What to say of a reply that is a proxy's or a sign-in page's, and not of Azure."""
    return UnavailableError(
        f"the reply is not Azure's: it {problem}; check endpoint and proxy, or try again"
    )
