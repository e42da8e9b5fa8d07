"""What AWS says, in the words of kms-core.

Messages are ours alone: the text of the service and of the SDK may repeat what was signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

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

_LOGGERS = ("botocore.auth", "botocore.endpoint", "botocore.parsers")
"""Their debug log holds whole calls and answers."""

_DENIED = "allow it to these credentials, in their IAM policy and in the policy of the resource"
_HIDDEN = (
    "; or there is no such record, which S3 says only to those who also have s3:ListBucket on the "
    "bucket"
)
_CREDENTIALS = "check accessKeyID, accessKey and sessionToken, or where the SDK finds them"
_EXPIRED = "the credentials have expired; get new ones"
_CLOCK = "this machine's clock is wrong; set it"
_BUSY = "the service asks to slow down; try again later, or ask for a higher quota"
_AWAY = "the service failed; try again later"
_NETWORK = "the service was not reached or its answer was lost; check endpoint and network"
_DAMAGED = "the data was damaged on its way; try again"
_SYMMETRIC = "use a symmetric KEK that encrypts and decrypts"
_REGION = "it is in another region; correct region"
_CONDITIONS = "the store lacks conditional writes; use a store or a release that has them"

_CODES: dict[str, tuple[type[KmsError], str]] = {
    "AccessDenied": (AccessDeniedError, _DENIED),
    "AccessDeniedException": (AccessDeniedError, _DENIED),
    "ExpiredToken": (AccessDeniedError, _EXPIRED),
    "ExpiredTokenException": (AccessDeniedError, _EXPIRED),
    "IncompleteSignature": (AccessDeniedError, _CREDENTIALS),
    "InvalidAccessKeyId": (AccessDeniedError, _CREDENTIALS),
    "InvalidClientTokenId": (AccessDeniedError, _CREDENTIALS),
    "InvalidSignatureException": (AccessDeniedError, f"{_CREDENTIALS}, and this machine's clock"),
    "InvalidToken": (AccessDeniedError, _CREDENTIALS),
    "MissingAuthenticationToken": (AccessDeniedError, _CREDENTIALS),
    "SignatureDoesNotMatch": (AccessDeniedError, _CREDENTIALS),
    "UnrecognizedClientException": (AccessDeniedError, _CREDENTIALS),
    "RequestExpired": (AccessDeniedError, _CLOCK),
    "RequestTimeTooSkewed": (AccessDeniedError, _CLOCK),
    "NotFoundException": (KekNotFoundError, "there is no such KEK here; check keyName and region"),
    "InvalidArnException": (ConfigError, "keyName is not an ARN of KMS; correct it"),
    "InvalidKeyUsageException": (ConfigError, _SYMMETRIC),
    "UnsupportedOperationException": (ConfigError, _SYMMETRIC),
    "ValidationException": (ConfigError, "use a symmetric KEK, and its id, ARN or alias/NAME"),
    "DisabledException": (KekDisabledError, "enable the KEK"),
    "KMSInvalidStateException": (KekDisabledError, "cancel the KEK's deletion or enable it"),
    "IncorrectKeyException": (UnwrapError, ""),
    "InvalidCiphertextException": (UnwrapError, ""),
    "DependencyTimeoutException": (UnavailableError, _AWAY),
    "KMSInternalException": (UnavailableError, _AWAY),
    "KeyUnavailableException": (UnavailableError, _AWAY),
    "NoSuchBucket": (ConfigError, "there is no such bucket; create it, or set createBucket=true"),
    "AuthorizationHeaderMalformed": (ConfigError, _REGION),
    "IllegalLocationConstraintException": (ConfigError, _REGION),
    "InvalidLocationConstraint": (ConfigError, "there is no such region; correct region"),
    "InvalidTag": (ConfigError, "S3 takes no such tag; correct tags"),
    "InvalidBucketName": (ConfigError, "this is no bucket name; correct bucket"),
    "PermanentRedirect": (ConfigError, _REGION),
    "BucketAlreadyExists": (ConfigError, "it is somebody else's bucket; choose another name"),
    "NotImplemented": (ConfigError, _CONDITIONS),
    "NoSuchKey": (DekNotFoundError, "no record of this dek_id is stored"),
    "PreconditionFailed": (DekExistsError, "a record of this dek_id is already stored"),
    "ConditionalRequestConflict": (ConflictError, "somebody else is writing it now; try again"),
    "OperationAborted": (ConflictError, "somebody else is changing it now; try again"),
    "InvalidObjectState": (OperationError, "the object is archived; restore it"),
    "BadDigest": (UnavailableError, _DAMAGED),
    "IncompleteBody": (UnavailableError, _DAMAGED),
    "InternalError": (UnavailableError, _AWAY),
    "RequestTimeout": (UnavailableError, _NETWORK),
    "ServiceUnavailable": (UnavailableError, _AWAY),
    "XAmzContentSHA256Mismatch": (UnavailableError, _DAMAGED),
    "LimitExceededException": (ThrottledError, _BUSY),
    "RequestLimitExceeded": (ThrottledError, _BUSY),
    "SlowDown": (ThrottledError, _BUSY),
    "Throttling": (ThrottledError, _BUSY),
    "ThrottlingException": (ThrottledError, _BUSY),
    "TooManyRequestsException": (ThrottledError, _BUSY),
}

_STATUS: dict[int, tuple[type[KmsError], str]] = {
    301: (ConfigError, _REGION),
    401: (AccessDeniedError, _CREDENTIALS),
    403: (AccessDeniedError, _DENIED),
    429: (ThrottledError, _BUSY),
    501: (ConfigError, _CONDITIONS),
}
"""For codes that the table does not know, as S3-compatible stores have them."""

_FAILURES: dict[type[Exception], tuple[type[KmsError], str]] = {
    sdk.NoCredentialsError: (
        AccessDeniedError,
        "no credentials were found; give accessKeyID and accessKey, or profile, or set up a role",
    ),
    sdk.PartialCredentialsError: (AccessDeniedError, _CREDENTIALS),
    sdk.CredentialRetrievalError: (AccessDeniedError, _CREDENTIALS),
    sdk.TokenRetrievalError: (AccessDeniedError, "sign in again, such as by `aws sso login`"),
    sdk.SSOError: (AccessDeniedError, "sign in again, such as by `aws sso login`"),
    sdk.LoginError: (AccessDeniedError, "sign in again, such as by `aws login`"),
    sdk.ProfileNotFound: (ConfigError, "there is no such profile; correct profile or AWS_PROFILE"),
    sdk.ConfigParseError: (ConfigError, "the local AWS directory holds a malformed file"),
    sdk.InvalidConfigError: (ConfigError, "the local AWS directory holds a wrong setting"),
    sdk.InvalidRegionError: (ConfigError, "correct region"),
    sdk.ParamValidationError: (ConfigError, "a parameter is not what AWS takes"),
    sdk.SSLError: (UnavailableError, "TLS failed; check endpoint, its certificate and the proxy"),
    sdk.ConnectionError: (UnavailableError, _NETWORK),
    sdk.HTTPClientError: (UnavailableError, _NETWORK),
    sdk.IncompleteReadError: (UnavailableError, _NETWORK),
    sdk.ChecksumError: (UnavailableError, _DAMAGED),
    sdk.FlexibleChecksumError: (UnavailableError, _DAMAGED),
    sdk.BotoCoreError: (OperationError, "the SDK cannot make this call; report it to kms-aws"),
    ResponseParserError: (UnavailableError, "the answer is not AWS's; check endpoint and proxy"),
    KeyError: (UnavailableError, "the answer lacks a part; check endpoint and proxy"),
}


@contextmanager
def explained(action: str, resource: str, *, may_hide: bool = False) -> Iterator[None]:
    """Around one call: what it raises becomes one of ours, and nothing of it is logged.

    With ``may_hide`` AWS may deny what is missing.
    """
    try:
        with mute_logging(*_LOGGERS):
            yield
    except sdk.ClientError as error:
        code, status = _trim(error.response)
        kind, advice = _CODES.get(code) or _by_status(status)
        message = f"{action} on {resource}: {code}: {advice}"
        if may_hide and advice is _DENIED:
            raise AccessDeniedError(message + _HIDDEN, maybe_missing=True) from error
        raise _error(kind, message) from error
    except tuple(_FAILURES) as error:
        if hasattr(error, "request"):
            error.request = None  # its headers hold the session token
        kind, advice = next(_FAILURES[t] for t in type(error).__mro__ if t in _FAILURES)
        raise _error(kind, f"{action} on {resource}: {type(error).__name__}: {advice}") from error


def _trim(response: Any) -> tuple[str, int]:
    """Leave only what support needs: S3 sends back what was signed, the session token included."""
    details, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = details.get("Code", "an unnamed error"), metadata.get("HTTPStatusCode", 0)
    response["Error"] = {"Code": code, "Message": details.get("Message", "")}
    response["ResponseMetadata"] = {"RequestId": metadata.get("RequestId", "")}
    return code, status


def _by_status(status: int) -> tuple[type[KmsError], str]:
    if status in _STATUS:
        return _STATUS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError, _AWAY
    return OperationError, "the service refused the call; look the code up in its documentation"


def _error(kind: type[KmsError], message: str) -> KmsError:
    return UnwrapError() if kind is UnwrapError else kind(message)
