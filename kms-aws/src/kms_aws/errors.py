"""What AWS says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK may repeat what was signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from json import JSONDecodeError
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, NameResolutionError, ProxyError

from kms_aws import cures
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
from kms_core.backend import Clue, ErrorTable, Meaning, inner_errors

_MISSING = Meaning(DekNotFoundError, "no record of this dek_id is stored")
_THERE = Meaning(DekExistsError, "a record of this dek_id is already stored")

_SHARED: Mapping[Clue, Meaning] = {
    "AccessDenied": Meaning(AccessDeniedError, cures.DENIED),
    "AccessDeniedException": Meaning(AccessDeniedError, cures.KEY_DENIED),
    "ExpiredToken": Meaning(AuthenticationError, cures.EXPIRED),
    "ExpiredTokenException": Meaning(AuthenticationError, cures.EXPIRED),
    "IncompleteSignature": Meaning(AuthenticationError, cures.CREDENTIALS),
    "InvalidAccessKeyId": Meaning(AuthenticationError, cures.UNKNOWN),
    "InvalidClientTokenId": Meaning(AuthenticationError, cures.UNKNOWN),
    "InvalidSignatureException": Meaning(AuthenticationError, cures.SIGNATURE),
    "InvalidToken": Meaning(AuthenticationError, cures.CREDENTIALS),
    "MissingAuthenticationToken": Meaning(AuthenticationError, cures.CREDENTIALS),
    "SignatureDoesNotMatch": Meaning(AuthenticationError, cures.WRONG_KEY),
    "UnrecognizedClientException": Meaning(AuthenticationError, cures.UNKNOWN),
    "InvalidSignatureException by the clock": Meaning(AccessDeniedError, cures.CLOCK, code="CLOCK"),
    "SignatureDoesNotMatch by the clock": Meaning(AccessDeniedError, cures.CLOCK, code="CLOCK"),
    "RequestExpired": Meaning(AccessDeniedError, cures.CLOCK, code="CLOCK"),
    "RequestTimeTooSkewed": Meaning(AccessDeniedError, cures.CLOCK, code="CLOCK"),
    "InternalError": Meaning(UnavailableError, cures.AWAY),
    "RequestTimeout": Meaning(UnavailableError, cures.NETWORK),
    "ServiceUnavailable": Meaning(UnavailableError, cures.AWAY),
    "RequestLimitExceeded": Meaning(ThrottledError, cures.BUSY),
    "Throttling": Meaning(ThrottledError, cures.BUSY),
    "ThrottlingException": Meaning(ThrottledError, cures.BUSY),
    "TooManyRequestsException": Meaning(ThrottledError, cures.BUSY),
}
"""What every service may say, those that give credentials included."""

_KMS: Mapping[Clue, Meaning] = {
    "NotFoundException": Meaning(KekNotFoundError, cures.NO_KEK),
    "InvalidArnException": Meaning(
        ConfigError, "keyName is no ARN of KMS, or one of another region; correct it"
    ),
    "InvalidKeyUsageException": Meaning(ConfigError, cures.SYMMETRIC),
    "UnsupportedOperationException": Meaning(ConfigError, cures.SYMMETRIC),
    "ValidationException": Meaning(
        ConfigError, "keyName is no id, ARN or alias/NAME of a symmetric key; correct it"
    ),
    "DisabledException": Meaning(KekDisabledError, "the KEK is disabled; enable it"),
    "KMSInvalidStateException": Meaning(
        KekDisabledError,
        "the KEK is pending deletion, or has no key material; cancel its deletion and enable it, "
        "or import its material",
    ),
    "IncorrectKeyException": Meaning(UnwrapError),
    "InvalidCiphertextException": Meaning(UnwrapError),
    "DependencyTimeoutException": Meaning(UnavailableError, cures.AWAY),
    "KMSInternalException": Meaning(UnavailableError, cures.AWAY),
    "KeyUnavailableException": Meaning(UnavailableError, cures.AWAY),
    "LimitExceededException": Meaning(ThrottledError, cures.BUSY),
}

_S3: Mapping[Clue, Meaning] = {
    412: _THERE,  # also where the body that names it is lost: no other condition is ever sent
    301: Meaning(ConfigError, cures.REGION),
    501: Meaning(ConfigError, cures.CONDITIONS),
    "404": Meaning(ConfigError, "nothing is there; check endpoint and bucket"),
    **dict.fromkeys(  # of a gateway, which has lost its route or has conditions of its own
        ("404 page", "409 page", "412 page"), Meaning(UnavailableError, cures.NOT_AWS)
    ),
    "409": Meaning(ConflictError, "somebody else is writing it now; try again"),
    "NoSuchBucket": Meaning(
        ConfigError, "there is no such bucket; correct bucket, or create it by createBucket=true"
    ),
    "AuthorizationHeaderMalformed": Meaning(ConfigError, cures.REGION),
    "IllegalLocationConstraintException": Meaning(ConfigError, cures.REGION),
    "InvalidLocationConstraint": Meaning(ConfigError, "there is no such region; correct region"),
    "InvalidTag": Meaning(ConfigError, "S3 takes no such tag; correct tags"),
    "InvalidBucketName": Meaning(ConfigError, "this is no bucket name; correct bucket"),
    "PermanentRedirect": Meaning(ConfigError, cures.REGION),
    "TemporaryRedirect": Meaning(
        UnavailableError,
        "a new bucket is not known everywhere yet; try again later, or correct region",
    ),
    "BucketAlreadyExists": Meaning(
        ConfigError, "it is somebody else's bucket; choose another name"
    ),
    "NotImplemented": Meaning(ConfigError, cures.CONDITIONS),
    "NoSuchKey": _MISSING,
    "PreconditionFailed": _THERE,
    "ConditionalRequestConflict": Meaning(
        ConflictError, "somebody else is writing it now; try again"
    ),
    "OperationAborted": Meaning(ConflictError, "somebody else is changing it now; try again"),
    "InvalidObjectState": Meaning(OperationError, "the object is archived; restore it"),
    "BadDigest": Meaning(UnavailableError, cures.DAMAGED),
    "IncompleteBody": Meaning(UnavailableError, cures.DAMAGED),
    "XAmzContentSHA256Mismatch": Meaning(UnavailableError, cures.DAMAGED),
    "SlowDown": Meaning(ThrottledError, cures.BUSY),
    "QuotaExceeded": Meaning(OperationError, cures.FULL),
    "XMinioAdminBucketQuotaExceeded": Meaning(OperationError, cures.FULL),
    "KMS.ThrottlingException": Meaning(ThrottledError, cures.BUSY),
    "KMS.*": Meaning(OperationError, cures.BUCKET_KEY),
    "AccessDenied by KMS": Meaning(AccessDeniedError, cures.BUCKET_KEY),
}
"""A status as a text is that of an answer without a code, be it empty or somebody's page."""

_STATUS: Mapping[Clue, Meaning] = {
    401: Meaning(AuthenticationError, cures.CREDENTIALS),
    403: Meaning(AccessDeniedError, cures.DENIED),
    429: Meaning(ThrottledError, cures.BUSY),
    "3xx": Meaning(UnavailableError, cures.NOT_AWS),
    "5xx": Meaning(UnavailableError, cures.AWAY),
}
"""For codes that the table does not know, as S3-compatible stores have them."""

_FAILURES: Mapping[Clue, Meaning] = {
    sdk.NoCredentialsError: Meaning(AuthenticationError, cures.NONE),
    sdk.PartialCredentialsError: Meaning(AuthenticationError, cures.PARTIAL),
    sdk.CredentialRetrievalError: Meaning(AuthenticationError, cures.SOURCE),
    sdk.MetadataRetrievalError: Meaning(UnavailableError, cures.METADATA),
    sdk.TokenRetrievalError: Meaning(AuthenticationError, cures.SIGN_IN),
    sdk.SSOError: Meaning(AuthenticationError, cures.SIGN_IN),
    sdk.LoginError: Meaning(AuthenticationError, cures.SIGN_IN.replace("sso login", "login")),
    sdk.ProfileNotFound: Meaning(
        ConfigError,
        "neither ~/.aws/config nor ~/.aws/credentials has this profile; correct profile or "
        "AWS_PROFILE, or run as the user who has these files",
    ),
    sdk.ConfigParseError: Meaning(ConfigError, cures.MALFORMED),
    sdk.InvalidConfigError: Meaning(
        ConfigError, "a setting in ~/.aws/config or ~/.aws/credentials is wrong; correct it"
    ),
    sdk.InvalidRegionError: Meaning(ConfigError, "correct region"),
    sdk.ParamValidationError: Meaning(ConfigError, "a parameter is not what AWS takes"),
    sdk.EndpointProviderError: Meaning(ConfigError, cures.PLACE),
    sdk.BaseEndpointResolverError: Meaning(ConfigError, cures.PLACE),
    sdk.SSLError: Meaning(UnavailableError, cures.TLS, code="TLS"),
    SSLCertVerificationError: Meaning(ConfigError, cures.UNTRUSTED_HOST, code="TLS"),
    sdk.ConnectionError: Meaning(UnavailableError, cures.NETWORK),
    sdk.ProxyConnectionError: Meaning(UnavailableError, cures.PROXY, code="PROXY"),
    NameResolutionError: Meaning(UnavailableError, cures.NO_HOST, code="DNS"),
    ProxyError: Meaning(UnavailableError, cures.PROXY, code="PROXY"),
    ConnectionRefusedError: Meaning(UnavailableError, cures.NOBODY_LISTENS, code="TCP"),
    sdk.HTTPClientError: Meaning(UnavailableError, cures.NETWORK),
    sdk.IncompleteReadError: Meaning(UnavailableError, cures.NETWORK),
    sdk.ChecksumError: Meaning(UnavailableError, cures.DAMAGED),
    sdk.FlexibleChecksumError: Meaning(UnavailableError, cures.DAMAGED),
    sdk.BotoCoreError: Meaning(
        OperationError, "the SDK cannot make this call; report it to kms-aws"
    ),
    sdk.PaginationError: Meaning(UnavailableError, cures.NOT_AWS),
    ResponseParserError: Meaning(UnavailableError, cures.NOT_AWS),
    HTTPError: Meaning(
        UnavailableError, cures.NETWORK
    ),  # what the SDK reads of an error it reads bare
}

_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_REGION_CODE = re.compile(r"[a-z0-9-]{1,30}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+")
_SOURCE_IS_AWAY = re.compile(
    "Error retrieving metadata: Received (error when |non 200 response (429|5[0-9][0-9]) )"
)
"""What the SDK says of the issuer in a container; that is all that is left of its answer."""
_REDIRECTED = 3
_OF_CLOCKS = ("Signature expired", "Signature not yet current")
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""
_NAMES = ("profile", "path", "provider")
"""What an error of the SDK names, that the user wrote and that is not secret."""


def _find_clues(error: Exception) -> Iterator[Clue]:
    """The service's code, then the HTTP status; or else the SDK's classes."""
    if isinstance(error, sdk.ClientError):
        yield from _of_answer(error.response)
    else:
        yield _name(error)
    inner = getattr(error, "kwargs", {}).get("error")
    yield from (type(one) for one in inner_errors(inner) if isinstance(one, _REASONS))
    yield from type(error).__mro__


def _of_answer(response: Any) -> Iterator[Clue]:
    details, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    status, headers = metadata.get("HTTPStatusCode", 0), metadata.get("HTTPHeaders", {})
    code, text = str(details.get("Code")), str(details.get("Message"))
    region = str(headers.get("x-amz-bucket-region"))
    if status // 100 == _REDIRECTED and _REGION_CODE.fullmatch(region):
        yield f"{code} to {region}"
    if code == "AccessDenied" and " kms:" in text:
        yield "AccessDenied by KMS"
    if text.startswith(_OF_CLOCKS):
        yield f"{code} by the clock"
    if "html" in headers.get("content-type", ""):
        yield f"{status} page"
    yield code if _CODE.fullmatch(code) else str(status)  # who is not AWS may write anything
    if code.startswith("KMS."):
        yield "KMS.*"
    yield from (status, f"{status // 100}xx")


def _name(error: Any) -> str:
    """Its class, and the host that was not reached, or the profile or file that is meant."""
    told = {**getattr(error, "kwargs", {})}
    url = str(told.get("endpoint_url") or told.get("proxy_url"))
    host = urlsplit(url).netloc.rpartition("@")[2]
    named = next((f" '{told[name]}'" for name in _NAMES if name in told), "")
    return type(error).__name__ + (f" at {host}" if host else named)


_ERRORS = (sdk.ClientError, sdk.BotoCoreError, ResponseParserError, HTTPError)
_REASONS = (SSLCertVerificationError, NameResolutionError, ProxyError, ConnectionRefusedError)

CALL = ErrorTable(_ERRORS, {**_STATUS, **_SHARED, **_KMS, **_S3, **_FAILURES}, _find_clues)
"""A call of KMS or S3, or the opening of a client."""

BY_KEY_ID = CALL.but({"NotFoundException": Meaning(KekNotFoundError, cures.NO_KEK_ID)})
"""Looking up a key by its id, which nobody types: it is the region that is wrong."""

UNWRAP = CALL.but({"AccessDeniedException": Meaning(AccessDeniedError, cures.UNWRAP_DENIED)})
"""Decrypt, which is called of the key that has wrapped, and of no other."""

_MAY_HIDE = Meaning(AccessDeniedError, cures.DENIED + cures.HIDDEN, maybe_missing=True)
LOAD = CALL.but(
    {
        "404": _MISSING,
        **dict.fromkeys(("AccessDenied", "AccessDeniedException", 403), _MAY_HIDE),
    }
)
"""Reading an object, where S3 may deny what is missing."""

_STALE = Meaning(ConflictError, cures.CHANGED)
REPLACE = CALL.but({"404": _MISSING, "PreconditionFailed": _STALE, 412: _STALE})
"""Writing or deleting an object that has to be at a revision."""

_UNTOLD = Meaning(OperationError, "the store does not tell which old versions it keeps; ask it")
VERSIONS = CALL.but({"NotImplemented": _UNTOLD, 501: _UNTOLD})
"""Listing old versions, which not every S3-compatible store has."""


def _find_clues_of_credentials(error: Exception) -> Iterator[Clue]:
    """The file that cannot be read; or the call that was refused, with its code."""
    if isinstance(error, _UNREADABLE):
        yield f"{error.strerror}: '{error.filename}'"
    clues = [*_find_clues(error)]
    call = getattr(error, "operation_name", None)
    role = _ROLE.search(str(error)) if isinstance(error, sdk.ClientError) else None
    where = f"{call} on {role[0]}" if role else call
    yield from (f"{where}: {clue}" for clue in clues[:1] if call)
    yield clues[0]
    if _SOURCE_IS_AWAY.match(str(getattr(error, "kwargs", {}).get("error_msg"))):
        yield sdk.MetadataRetrievalError
    yield from clues[1:]


_UNREADABLE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_NO_JSON = (JSONDecodeError, UnicodeDecodeError)
CREDENTIALS = ErrorTable(
    (*_ERRORS, *_UNREADABLE, *_NO_JSON),
    {
        **_STATUS,
        **_SHARED,
        **_FAILURES,
        **dict.fromkeys(_UNREADABLE, Meaning(ConfigError, cures.FILE)),
        **dict.fromkeys(_NO_JSON, Meaning(AuthenticationError, cures.SOURCE)),
        "AccessDenied": Meaning(AccessDeniedError, cures.ROLE),
        "InvalidIdentityToken": Meaning(AccessDeniedError, cures.UNTRUSTED),
        403: Meaning(AccessDeniedError, cures.REFUSED),
    },
    _find_clues_of_credentials,
)
"""Finding credentials, or renewing them: what a role's or an identity's service says."""


def no_credentials() -> AuthenticationError:
    """What to say when the SDK's chain ends without credentials."""
    return AuthenticationError(f"finding credentials on this machine: {cures.NONE}")
