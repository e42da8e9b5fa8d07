"""What Azure says, in the words of kms-core.

Messages are ours alone: the text of a service or of the SDK may repeat what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

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
)

_DENIED = "allow it to these credentials"
_CREDENTIALS = (
    "no token could be obtained, or it was refused; check tenantID, clientID, clientSecret and "
    "whether the secret has expired, or where the SDK finds the credentials"
)
_FIREWALL = "the resource's firewall refuses this network; allow it, or use a private endpoint"
_BUSY = "the service asks to slow down; try again later, or spread the load"
_AWAY = "the service failed; try again later"
_NETWORK = "the service was not reached or its answer was lost; check names, endpoint and network"
_STRANGE = "the answer is not Azure's; check endpoint and proxy"
_LEASED = "somebody holds a lease on it; end the lease"
_NO_NAME = "Blob Storage takes no such name; correct account, container or endpoint"

_CODES: dict[str, tuple[type[KmsError], str]] = {
    # Key Vault and managed HSM, code or inner code
    "KeyNotFound": (
        KekNotFoundError,
        "there is no such KEK, or no such version; check vaultName and keyName, or recover the key",
    ),
    "KeyDisabled": (KekDisabledError, "the KEK is disabled; enable it"),
    "KeyExpired": (KekDisabledError, "the KEK has expired; rotate it, or set a later expiry date"),
    "KeyNotYetValid": (KekDisabledError, "the KEK is not valid yet; wait, or set an earlier date"),
    "BadParameter": (ConfigError, "use an RSA key, or an AES key of a managed HSM"),
    "AccessDenied": (AccessDeniedError, _DENIED),
    "ForbiddenByPolicy": (AccessDeniedError, _DENIED),
    "ForbiddenByRbac": (AccessDeniedError, _DENIED),
    "ForbiddenByConnection": (AccessDeniedError, _FIREWALL),
    "ForbiddenByFirewall": (AccessDeniedError, _FIREWALL),
    "Throttled": (ThrottledError, _BUSY),
    # Blob Storage
    "BlobNotFound": (DekNotFoundError, "no record of this dek_id is stored"),
    "BlobAlreadyExists": (DekExistsError, "a record of this dek_id is already stored"),
    "ConditionNotMet": (ConflictError, "the record has changed since it was read; read it again"),
    "ContainerNotFound": (
        ConfigError,
        "there is no such container; create it, or set createContainer=true",
    ),
    "ContainerBeingDeleted": (
        UnavailableError,
        "the container is being deleted; try again in a minute, or choose another",
    ),
    "AuthorizationPermissionMismatch": (AccessDeniedError, _DENIED),
    "AuthorizationFailure": (AccessDeniedError, f"{_DENIED}, and their network by the firewall"),
    "InsufficientAccountPermissions": (AccessDeniedError, _DENIED),
    "AuthenticationFailed": (AccessDeniedError, f"{_CREDENTIALS}, and this machine's clock"),
    "InvalidAuthenticationInfo": (AccessDeniedError, _CREDENTIALS),
    "NoAuthenticationInformation": (AccessDeniedError, _CREDENTIALS),
    "AccountIsDisabled": (AccessDeniedError, "the storage account is disabled; enable it"),
    "BlobImmutableDueToPolicy": (AccessDeniedError, "an immutability policy protects it"),
    "LeaseIdMissing": (OperationError, _LEASED),
    "BlobArchived": (OperationError, "the blob is archived; restore it to an online tier"),
    "BlobBeingRehydrated": (UnavailableError, "the blob is being restored; try again later"),
    "ResourceNotFound": (ConfigError, _NO_NAME),
    "InvalidResourceName": (ConfigError, _NO_NAME),
    "InvalidUri": (ConfigError, _NO_NAME),
    "OutOfRangeInput": (ConfigError, _NO_NAME),
    "ServerBusy": (ThrottledError, _BUSY),
    "InternalError": (UnavailableError, _AWAY),
    "OperationTimedOut": (UnavailableError, _AWAY),
}

_STATUS: dict[int, tuple[type[KmsError], str]] = {
    HTTPStatus.UNAUTHORIZED: (AccessDeniedError, _CREDENTIALS),
    HTTPStatus.FORBIDDEN: (AccessDeniedError, _DENIED),
    HTTPStatus.REQUEST_TIMEOUT: (UnavailableError, _NETWORK),
    HTTPStatus.TOO_MANY_REQUESTS: (ThrottledError, _BUSY),
}
"""For codes that the table does not know."""


@contextmanager
def explained(action: str, resource: str, role: str) -> Iterator[None]:
    """Around one call: what it raises becomes one of ours.

    Args:
        action: the permission that it needs.
        resource: what it is about.
        role: a built-in role that has the permission.
    """
    try:
        yield
    except AzureError as error:
        name, (kind, advice) = _classify(error)
        _strip(error)
        if advice is _DENIED:
            advice += f", such as by the role {role}"
        raise kind(f"{action} on {resource}: {name}: {advice}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # of reading a wrong answer
        _strip(error)
        raise UnavailableError(f"{action} on {resource}: {_STRANGE}") from error


def _classify(error: AzureError) -> tuple[str, tuple[type[KmsError], str]]:
    while type(error) is ClientAuthenticationError and isinstance(error.__cause__, AzureError):
        error = error.__cause__  # why no token could be obtained: its issuer did not answer
    if not isinstance(error, HttpResponseError):
        return type(error).__name__, (UnavailableError, _NETWORK)
    codes = _codes(error)
    for code in codes:
        if code in _CODES:
            return code, _CODES[code]
    status = error.status_code
    name = f"HTTP status {status}" if status else type(error).__name__
    return codes[0] if codes else name, _by_status(error, status or 0)


def _codes(error: HttpResponseError) -> list[str]:
    """The service's words for it, the most special one first."""
    details = getattr(error, "error", None)
    inner = getattr(details, "innererror", None) or {}
    codes = (inner.get("code"), getattr(error, "error_code", None), getattr(details, "code", None))
    return [str(getattr(code, "value", code)) for code in codes if code]


def _by_status(error: HttpResponseError, status: int) -> tuple[type[KmsError], str]:
    if status in _STATUS:
        return _STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError, _AWAY
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError, _CREDENTIALS
    if status < HTTPStatus.BAD_REQUEST:
        return UnavailableError, _STRANGE
    return OperationError, "the service refused the call; look the code up in its documentation"


def _strip(error: BaseException | None) -> None:
    """Drop requests and answers from all that led to the error: they hold tokens and key bytes."""
    while error is not None:
        for name in ("request", "response", "model", "inner_exception", "doc", "object"):
            if vars(error).get(name) is not None:
                setattr(error, name, None)
        error = error.__cause__ or error.__context__
