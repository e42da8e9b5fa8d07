"""What AWS says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK may repeat what was signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

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

_DENIED = "allow it to these credentials, in their IAM policy and in the policy of the resource"
_HIDDEN = (
    "; or there is no such record, which S3 says only to those who also have s3:ListBucket on the "
    "bucket"
)
_CREDENTIALS = "check accessKeyID, accessKey and sessionToken, or where the SDK finds them"
_NONE = "no credentials were found; give accessKeyID and accessKey, or profile, or set up a role"
_ROLE = (
    "these credentials were not given; allow it to who asks, and look at the role's trust policy"
)
_EXPIRED = "the credentials have expired; get new ones"
_CLOCK = "this machine's clock is wrong; set it"
_CHANGED = "the record has changed since it was read; read it again"
_BUSY = "the service asks to slow down; try again later, or ask for a higher quota"
_AWAY = "the service failed; try again later"
_NETWORK = "the service was not reached or its answer was lost; check endpoint and network"
_DAMAGED = "the data was damaged on its way; try again"
_SYMMETRIC = "use a symmetric KEK that encrypts and decrypts"
_REGION = "it is in another region; correct region"
_NOT_AWS = "the answer is not AWS's; check endpoint and proxy"
_TLS = (
    "TLS failed; give the authority in caFile or AWS_CA_BUNDLE, or check endpoint, its certificate "
    "and the proxy"
)
_FULL = "the store is full; make room, or ask for a higher quota"
_PLACE = "this is no place that AWS has; correct region, endpoint and bucket"
_BUCKET_KEY = (
    "it is the key by which the bucket encrypts, not the KEK: enable it, and allow "
    "kms:GenerateDataKey and kms:Decrypt on it to these credentials"
)
_CONDITIONS = "the store lacks conditional writes; use a store or a release that has them"

_MISSING = Meaning(DekNotFoundError, "no record of this dek_id is stored")
_THERE = Meaning(DekExistsError, "a record of this dek_id is already stored")

_SHARED: Mapping[Clue, Meaning] = {
    "AccessDenied": Meaning(AccessDeniedError, _DENIED),
    "AccessDeniedException": Meaning(AccessDeniedError, _DENIED),
    "ExpiredToken": Meaning(AuthenticationError, _EXPIRED),
    "ExpiredTokenException": Meaning(AuthenticationError, _EXPIRED),
    "IncompleteSignature": Meaning(AuthenticationError, _CREDENTIALS),
    "InvalidAccessKeyId": Meaning(AuthenticationError, _CREDENTIALS),
    "InvalidClientTokenId": Meaning(AuthenticationError, _CREDENTIALS),
    "InvalidSignatureException": Meaning(
        AuthenticationError, f"{_CREDENTIALS}, and this machine's clock"
    ),
    "InvalidToken": Meaning(AuthenticationError, _CREDENTIALS),
    "MissingAuthenticationToken": Meaning(AuthenticationError, _CREDENTIALS),
    "SignatureDoesNotMatch": Meaning(AuthenticationError, _CREDENTIALS),
    "UnrecognizedClientException": Meaning(AuthenticationError, _CREDENTIALS),
    "RequestExpired": Meaning(AccessDeniedError, _CLOCK),
    "RequestTimeTooSkewed": Meaning(AccessDeniedError, _CLOCK),
    "InternalError": Meaning(UnavailableError, _AWAY),
    "RequestTimeout": Meaning(UnavailableError, _NETWORK),
    "ServiceUnavailable": Meaning(UnavailableError, _AWAY),
    "RequestLimitExceeded": Meaning(ThrottledError, _BUSY),
    "Throttling": Meaning(ThrottledError, _BUSY),
    "ThrottlingException": Meaning(ThrottledError, _BUSY),
    "TooManyRequestsException": Meaning(ThrottledError, _BUSY),
}
"""What every service may say, those that give credentials included."""

_KMS: Mapping[Clue, Meaning] = {
    "NotFoundException": Meaning(
        KekNotFoundError, "there is no such KEK here; check keyName and region"
    ),
    "InvalidArnException": Meaning(ConfigError, "keyName is not an ARN of KMS; correct it"),
    "InvalidKeyUsageException": Meaning(ConfigError, _SYMMETRIC),
    "UnsupportedOperationException": Meaning(ConfigError, _SYMMETRIC),
    "ValidationException": Meaning(
        ConfigError, "use a symmetric KEK, and its id, ARN or alias/NAME"
    ),
    "DisabledException": Meaning(KekDisabledError, "enable the KEK"),
    "KMSInvalidStateException": Meaning(KekDisabledError, "cancel the KEK's deletion or enable it"),
    "IncorrectKeyException": Meaning(UnwrapError),
    "InvalidCiphertextException": Meaning(UnwrapError),
    "DependencyTimeoutException": Meaning(UnavailableError, _AWAY),
    "KMSInternalException": Meaning(UnavailableError, _AWAY),
    "KeyUnavailableException": Meaning(UnavailableError, _AWAY),
    "LimitExceededException": Meaning(ThrottledError, _BUSY),
}

_S3: Mapping[Clue, Meaning] = {
    412: _THERE,  # also where the body that names it is lost: no other condition is ever sent
    301: Meaning(ConfigError, _REGION),
    501: Meaning(ConfigError, _CONDITIONS),
    "404": Meaning(ConfigError, "nothing is there; check endpoint and bucket"),
    "404 page": Meaning(UnavailableError, _NOT_AWS),  # of a gateway that has lost its route
    "409": Meaning(ConflictError, "somebody else is writing it now; try again"),
    "NoSuchBucket": Meaning(
        ConfigError, "there is no such bucket; create it, or set createBucket=true"
    ),
    "AuthorizationHeaderMalformed": Meaning(ConfigError, _REGION),
    "IllegalLocationConstraintException": Meaning(ConfigError, _REGION),
    "InvalidLocationConstraint": Meaning(ConfigError, "there is no such region; correct region"),
    "InvalidTag": Meaning(ConfigError, "S3 takes no such tag; correct tags"),
    "InvalidBucketName": Meaning(ConfigError, "this is no bucket name; correct bucket"),
    "PermanentRedirect": Meaning(ConfigError, _REGION),
    "TemporaryRedirect": Meaning(
        UnavailableError,
        "a new bucket is not known everywhere yet; try again later, or correct region",
    ),
    "BucketAlreadyExists": Meaning(
        ConfigError, "it is somebody else's bucket; choose another name"
    ),
    "NotImplemented": Meaning(ConfigError, _CONDITIONS),
    "NoSuchKey": _MISSING,
    "PreconditionFailed": _THERE,
    "ConditionalRequestConflict": Meaning(
        ConflictError, "somebody else is writing it now; try again"
    ),
    "OperationAborted": Meaning(ConflictError, "somebody else is changing it now; try again"),
    "InvalidObjectState": Meaning(OperationError, "the object is archived; restore it"),
    "BadDigest": Meaning(UnavailableError, _DAMAGED),
    "IncompleteBody": Meaning(UnavailableError, _DAMAGED),
    "XAmzContentSHA256Mismatch": Meaning(UnavailableError, _DAMAGED),
    "SlowDown": Meaning(ThrottledError, _BUSY),
    "QuotaExceeded": Meaning(OperationError, _FULL),
    "XMinioAdminBucketQuotaExceeded": Meaning(OperationError, _FULL),
    "KMS.ThrottlingException": Meaning(ThrottledError, _BUSY),
    "KMS.*": Meaning(OperationError, _BUCKET_KEY),
    "AccessDenied by KMS": Meaning(AccessDeniedError, _BUCKET_KEY),
}
"""A status as a text is that of an answer without a code, be it empty or somebody's page."""

_STATUS: Mapping[Clue, Meaning] = {
    401: Meaning(AuthenticationError, _CREDENTIALS),
    403: Meaning(AccessDeniedError, _DENIED),
    429: Meaning(ThrottledError, _BUSY),
    "3xx": Meaning(UnavailableError, _NOT_AWS),
    "5xx": Meaning(UnavailableError, _AWAY),
}
"""For codes that the table does not know, as S3-compatible stores have them."""

_FAILURES: Mapping[Clue, Meaning] = {
    sdk.NoCredentialsError: Meaning(AuthenticationError, _NONE),
    sdk.PartialCredentialsError: Meaning(AuthenticationError, _CREDENTIALS),
    sdk.CredentialRetrievalError: Meaning(AuthenticationError, _CREDENTIALS),
    sdk.TokenRetrievalError: Meaning(
        AuthenticationError, "sign in again, such as by `aws sso login`"
    ),
    sdk.SSOError: Meaning(AuthenticationError, "sign in again, such as by `aws sso login`"),
    sdk.LoginError: Meaning(AuthenticationError, "sign in again, such as by `aws login`"),
    sdk.ProfileNotFound: Meaning(
        ConfigError, "there is no such profile; correct profile or AWS_PROFILE"
    ),
    sdk.ConfigParseError: Meaning(ConfigError, "the local AWS directory holds a malformed file"),
    sdk.InvalidConfigError: Meaning(ConfigError, "the local AWS directory holds a wrong setting"),
    sdk.InvalidRegionError: Meaning(ConfigError, "correct region"),
    sdk.ParamValidationError: Meaning(ConfigError, "a parameter is not what AWS takes"),
    sdk.EndpointProviderError: Meaning(ConfigError, _PLACE),
    sdk.BaseEndpointResolverError: Meaning(ConfigError, _PLACE),
    sdk.SSLError: Meaning(UnavailableError, _TLS),
    sdk.ConnectionError: Meaning(UnavailableError, _NETWORK),
    sdk.HTTPClientError: Meaning(UnavailableError, _NETWORK),
    sdk.IncompleteReadError: Meaning(UnavailableError, _NETWORK),
    sdk.ChecksumError: Meaning(UnavailableError, _DAMAGED),
    sdk.FlexibleChecksumError: Meaning(UnavailableError, _DAMAGED),
    sdk.BotoCoreError: Meaning(
        OperationError, "the SDK cannot make this call; report it to kms-aws"
    ),
    sdk.PaginationError: Meaning(UnavailableError, _NOT_AWS),
    ResponseParserError: Meaning(UnavailableError, _NOT_AWS),
    HTTPError: Meaning(UnavailableError, _NETWORK),  # what the SDK reads of an error it reads bare
}

_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")


def _find_clues(error: Exception) -> Iterator[Clue]:
    """The service's code, then the HTTP status; or else the SDK's classes."""
    if isinstance(error, sdk.ClientError):
        response: Any = error.response
        details, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
        status = metadata.get("HTTPStatusCode", 0)
        code = str(details.get("Code"))
        if code == "AccessDenied" and " kms:" in str(details.get("Message")):
            yield "AccessDenied by KMS"
        if "html" in metadata.get("HTTPHeaders", {}).get("content-type", ""):
            yield f"{status} page"
        yield code if _CODE.fullmatch(code) else str(status)  # who is not AWS may write anything
        if code.startswith("KMS."):
            yield "KMS.*"
        yield from (status, f"{status // 100}xx")
    yield from type(error).__mro__


_ERRORS = (sdk.ClientError, sdk.BotoCoreError, ResponseParserError, HTTPError)

CALL = ErrorTable(_ERRORS, {**_STATUS, **_SHARED, **_KMS, **_S3, **_FAILURES}, _find_clues)
"""A call of KMS or S3, or the opening of a client."""

_MAY_HIDE = Meaning(AccessDeniedError, _DENIED + _HIDDEN, maybe_missing=True)
LOAD = CALL.but(
    {
        "404": _MISSING,
        **dict.fromkeys(("AccessDenied", "AccessDeniedException", 403), _MAY_HIDE),
    }
)
"""Reading an object, where S3 may deny what is missing."""

_STALE = Meaning(ConflictError, _CHANGED)
REPLACE = CALL.but({"404": _MISSING, "PreconditionFailed": _STALE, 412: _STALE})
"""Writing or deleting an object that has to be at a revision."""

_UNTOLD = Meaning(OperationError, "the store does not tell which old versions it keeps; ask it")
VERSIONS = CALL.but({"NotImplemented": _UNTOLD, 501: _UNTOLD})
"""Listing old versions, which not every S3-compatible store has."""

_NOT_GIVEN = Meaning(AccessDeniedError, _ROLE)
CREDENTIALS = ErrorTable(_ERRORS, {**_STATUS, **_SHARED, **_FAILURES}, _find_clues).but(
    {"AccessDenied": _NOT_GIVEN, "AccessDeniedException": _NOT_GIVEN, 403: _NOT_GIVEN}
)
"""Finding credentials, or renewing them: what a role's or an identity's service says."""


def no_credentials() -> AuthenticationError:
    """What to say when the SDK's chain ends without credentials."""
    return AuthenticationError(f"finding credentials on this machine: {_NONE}")
