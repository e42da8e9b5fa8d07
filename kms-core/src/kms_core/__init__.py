"""Keep data encryption keys under a key encryption key that never leaves its KMS.

This is the door for programs that use DEKs. Who writes a backend goes through
:mod:`kms_core.backend` as well.
"""

from kms_core._opening import open_kek, open_kms
from kms_core._values import MAX_DEK_ID_SIZE, MAX_DEK_SIZE, KekInfo, StorageInfo, UriOrMapping
from kms_core.errors import (
    AccessDeniedError,
    AuthenticationError,
    BackendAmbiguousError,
    BackendContractError,
    BackendError,
    BackendLoadError,
    BackendNotFoundError,
    BackendVersionError,
    BlobError,
    ClosedError,
    ConfigError,
    ConflictError,
    ContextError,
    DekExistsError,
    DekIdError,
    DekNotFoundError,
    DekSizeError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    OperationError,
    RecordError,
    ThrottledError,
    UnavailableError,
    UnwrapError,
)
from kms_core.kek import Kek
from kms_core.kms import Kms

__all__ = [
    "MAX_DEK_ID_SIZE",
    "MAX_DEK_SIZE",
    "AccessDeniedError",
    "AuthenticationError",
    "BackendAmbiguousError",
    "BackendContractError",
    "BackendError",
    "BackendLoadError",
    "BackendNotFoundError",
    "BackendVersionError",
    "BlobError",
    "ClosedError",
    "ConfigError",
    "ConflictError",
    "ContextError",
    "DekExistsError",
    "DekIdError",
    "DekNotFoundError",
    "DekSizeError",
    "Kek",
    "KekDisabledError",
    "KekInfo",
    "KekNotFoundError",
    "Kms",
    "KmsError",
    "OperationError",
    "RecordError",
    "StorageInfo",
    "ThrottledError",
    "UnavailableError",
    "UnwrapError",
    "UriOrMapping",
    "open_kek",
    "open_kms",
]
