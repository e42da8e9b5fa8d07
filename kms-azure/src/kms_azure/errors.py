"""What Azure says, in the words of kms-core.

Messages are ours alone: the text of a service or of the SDK may repeat what was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
from urllib3.exceptions import NameResolutionError, ProxyError

from kms_azure import cures
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
from kms_core.backend import Clue, ErrorTable, Meaning, find_host, inner_errors

_CODES: Mapping[Clue, Meaning] = {
    # Key Vault and managed HSM, code or inner code
    "KeyNotFound": Meaning(
        KekNotFoundError,
        "there is no such KEK, or no such version; correct vaultName, keyName or keyVersion, or "
        "recover the key if it was deleted",
    ),
    "KeyDisabled": Meaning(KekDisabledError, "the KEK is disabled; enable it"),
    "KeyExpired": Meaning(
        KekDisabledError, "the KEK has expired; rotate it, or set a later expiry date"
    ),
    "KeyNotYetValid": Meaning(
        KekDisabledError, "the KEK is not valid yet; wait, or set an earlier date"
    ),
    "BadParameter": Meaning(ConfigError, "use an RSA key, or an AES key of a managed HSM"),
    "AccessDenied": Meaning(AccessDeniedError, cures.DENIED),
    "ForbiddenByPolicy": Meaning(AccessDeniedError, cures.POLICY),
    "ForbiddenByRbac": Meaning(AccessDeniedError, cures.DENIED),
    "ForbiddenByConnection": Meaning(AccessDeniedError, cures.FIREWALL),
    "ForbiddenByFirewall": Meaning(AccessDeniedError, cures.FIREWALL),
    "KeyOperationForbidden": Meaning(AccessDeniedError, cures.OPERATION),
    "HsmNotActivated": Meaning(AccessDeniedError, cures.INACTIVE),
    "Throttled": Meaning(ThrottledError, cures.BUSY),
    "AKV10032": Meaning(AuthenticationError, cures.OTHER_TENANT),
    # Blob Storage
    "BlobNotFound": Meaning(DekNotFoundError, "no record of this dek_id is stored"),
    "BlobAlreadyExists": Meaning(DekExistsError, "a record of this dek_id is already stored"),
    "ConditionNotMet": Meaning(
        ConflictError, "the record has changed since it was read; read it again"
    ),
    "ContainerNotFound": Meaning(
        ConfigError,
        "there is no such container; correct container, or create it by createContainer=true",
    ),
    "ContainerBeingDeleted": Meaning(
        UnavailableError,
        "the container is being deleted; try again in a minute, or choose another",
    ),
    "AuthorizationPermissionMismatch": Meaning(AccessDeniedError, cures.DENIED),
    "AuthorizationFailure": Meaning(AccessDeniedError, cures.FIREWALL_OR_ROLE),
    "InsufficientAccountPermissions": Meaning(AccessDeniedError, cures.DENIED),
    "AuthenticationFailed": Meaning(
        AuthenticationError, f"{cures.CREDENTIALS}, and this machine's clock"
    ),
    "InvalidAuthenticationInfo": Meaning(AuthenticationError, cures.CREDENTIALS),
    "NoAuthenticationInformation": Meaning(AuthenticationError, cures.CREDENTIALS),
    "AccountIsDisabled": Meaning(AccessDeniedError, "the storage account is disabled; enable it"),
    "BlobImmutableDueToPolicy": Meaning(AccessDeniedError, "an immutability policy protects it"),
    "LeaseIdMissing": Meaning(OperationError, cures.LEASED),
    "BlobArchived": Meaning(OperationError, "the blob is archived; restore it to an online tier"),
    "BlobBeingRehydrated": Meaning(UnavailableError, "the blob is being restored; try again later"),
    "ResourceNotFound": Meaning(ConfigError, cures.NO_NAME),
    "InvalidResourceName": Meaning(ConfigError, cures.NO_NAME),
    "InvalidUri": Meaning(ConfigError, cures.NO_NAME),
    "OutOfRangeInput": Meaning(ConfigError, cures.NO_NAME),
    "Md5Mismatch": Meaning(UnavailableError, cures.ALTERED),
    "InvalidMd5": Meaning(UnavailableError, cures.ALTERED),
    "ServerBusy": Meaning(ThrottledError, cures.BUSY),
    "InternalError": Meaning(UnavailableError, cures.AWAY),
    "OperationTimedOut": Meaning(UnavailableError, cures.AWAY),
}

_ENTRA: Mapping[Clue, Meaning] = {
    "AADSTS90002": Meaning(AuthenticationError, cures.TENANT),
    "AADSTS900023": Meaning(AuthenticationError, cures.TENANT),
    "AADSTS700016": Meaning(AuthenticationError, cures.APPLICATION),
    "AADSTS7000215": Meaning(AuthenticationError, cures.WRONG_VALUE),
    "AADSTS7000222": Meaning(AuthenticationError, cures.VALUE_EXPIRED),
    "AADSTS700024": Meaning(AuthenticationError, cures.CLOCK, code="CLOCK"),
    "AADSTS700027": Meaning(AuthenticationError, cures.CERTIFICATE),
    "AADSTS70021": Meaning(AuthenticationError, cures.FEDERATION),
    "AADSTS700211": Meaning(AuthenticationError, cures.FEDERATION),
    "AADSTS700212": Meaning(AuthenticationError, cures.FEDERATION),
    "AADSTS700213": Meaning(AuthenticationError, cures.FEDERATION),
    "unknown tenant": Meaning(AuthenticationError, cures.TENANT),
    "AADSTS500011": Meaning(AuthenticationError, cures.RESOURCE),
}
"""https://learn.microsoft.com/entra/identity-platform/reference-error-codes"""

_STATUS: Mapping[Clue, Meaning] = {
    HTTPStatus.UNAUTHORIZED: Meaning(AuthenticationError, cures.CREDENTIALS),
    HTTPStatus.FORBIDDEN: Meaning(AccessDeniedError, cures.DENIED),
    HTTPStatus.NOT_FOUND: Meaning(ConfigError, cures.NOBODY),
    HTTPStatus.REQUEST_TIMEOUT: Meaning(UnavailableError, cures.NETWORK),
    HTTPStatus.TOO_MANY_REQUESTS: Meaning(ThrottledError, cures.BUSY),
    "5xx": Meaning(UnavailableError, cures.AWAY),
    ClientAuthenticationError: Meaning(AuthenticationError, cures.CREDENTIALS),
    "no failure": Meaning(UnavailableError, cures.STRANGE),
    DecodeError: Meaning(UnavailableError, cures.STRANGE),
    HttpResponseError: Meaning(OperationError, cures.REFUSED),
    AzureError: Meaning(UnavailableError, cures.NETWORK),
    SSLCertVerificationError: Meaning(ConfigError, cures.UNTRUSTED, code="TLS"),
    SSLError: Meaning(UnavailableError, cures.TLS, code="TLS"),
    NameResolutionError: Meaning(UnavailableError, cures.NO_HOST, code="DNS"),
    ProxyError: Meaning(UnavailableError, cures.PROXY, code="PROXY"),
    ConnectionRefusedError: Meaning(UnavailableError, cures.NOBODY_LISTENS, code="TCP"),
    DeserializationError: Meaning(UnavailableError, cures.STRANGE),
}
"""For codes that the table does not know: the HTTP status, or else the SDK's class."""


def call_table(role: str, names: str) -> ErrorTable:
    """What the errors of a call mean.

    Args:
        role: a built-in role that has the permissions, and on what.
        names: the parameters of which the service's host is made.
    """
    denied = f"{cures.DENIED}, such as by the role {role}, and wait some minutes"
    named = {
        clue: replace(meaning, cure=meaning.cure.replace(cures.DENIED, denied))
        for clue, meaning in _CALL.meanings.items()
    }
    no_host = Meaning(UnavailableError, cures.NO_HOST.replace("authority", names), code="DNS")
    return _CALL.but({**named, NameResolutionError: no_host})


def _find_clues(error: AzureError | DeserializationError) -> Iterator[Clue]:
    """The service's words, the most special one first; then the status; then the SDK's class."""
    if isinstance(error, HttpResponseError):
        status = error.status_code or 0
        yield from _codes(error)
        if status:
            yield from (f"HTTP status {status}", status, f"{status // 100}xx")
        if not isinstance(error, ClientAuthenticationError) and status < HTTPStatus.BAD_REQUEST:
            yield from (type(error).__name__, "no failure")
    host = find_host(error)
    if host is not None:
        yield f"{type(error).__name__} at {host}"
    yield from (type(inner) for inner in inner_errors(error) if isinstance(inner, _OF_TRANSPORT))
    yield from type(error).__mro__


def _find_clues_of_credentials(error: BaseException) -> Iterator[Clue]:
    """Entra ID's own number, of which its text may be all that is left; then as of a call."""
    yield from _NUMBER.findall(str(error))
    if _NO_TENANT in str(error):
        yield "unknown tenant"
    while type(error) is ClientAuthenticationError and isinstance(error.__cause__, _REASONS):
        error = error.__cause__  # why no token could be obtained: its issuer did not answer
    if isinstance(error, OSError):
        yield f"{error.strerror}: '{error.filename}'"
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
    text = _OTHER_ISSUER.match(str(getattr(details, "message", "")))
    code = getattr(error, "error_code", None)
    codes = (special, text and text[0], code, getattr(details, "code", None))
    yield from (str(getattr(code, "value", code)) for code in codes if code)


_UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_REASONS = (AzureError, *_UNREADABLE)
_OF_TRANSPORT = (SSLError, NameResolutionError, ProxyError, ConnectionRefusedError)
_NUMBER = re.compile(r"\bAADSTS[0-9]{3,8}\b")
_NO_TENANT = "Unable to get authority configuration"  # of MSAL, for what Entra ID says of a tenant
_OTHER_ISSUER = re.compile("AKV10032")

# The second is what the SDK raises of a header that it cannot read, and no AzureError.
_CALL = ErrorTable((AzureError, DeserializationError), {**_STATUS, **_CODES}, _find_clues)

CREDENTIALS = ErrorTable(
    (AzureError, json.JSONDecodeError, *_UNREADABLE),
    {
        **_STATUS,
        json.JSONDecodeError: Meaning(UnavailableError, cures.STRANGE),  # of a machine's own issuer
        HTTPStatus.FORBIDDEN: Meaning(AuthenticationError, cures.CREDENTIALS),
        **dict.fromkeys(_UNREADABLE, Meaning(ConfigError, cures.FILE)),
        **_ENTRA,
    },
    _find_clues_of_credentials,
)
"""Finding credentials: what an issuer of tokens says of a service principal."""

_NOT_READY: Mapping[Clue, Meaning] = dict.fromkeys(
    (HTTPStatus.NOT_FOUND, HTTPStatus.GONE), Meaning(UnavailableError, cures.NOT_READY)
)
MANAGED_IDENTITY = CREDENTIALS.but(
    {**_NOT_READY, ClientAuthenticationError: Meaning(AuthenticationError, cures.NO_IDENTITY)}
)
"""Likewise what this machine's own issuer says."""

DEFAULT_CHAIN = CREDENTIALS.but(
    {**_NOT_READY, ClientAuthenticationError: Meaning(AuthenticationError, cures.NONE)}
)
"""Likewise where the SDK looks for credentials."""


def strange_reply(problem: str) -> UnavailableError:
    """What to say of a reply that is a proxy's or a sign-in page's, and not of Azure."""
    return UnavailableError(
        f"the reply is not Azure's: it {problem}; check endpoint and proxy, or try again"
    )
