"""The door for who writes a backend: the contract, its values, and what every backend needs.

The errors that a backend raises, and what it says of a KEK or a store, are in :mod:`kms_core`.
"""

from kms_core._context import encode_context
from kms_core._values import (
    MAX_RECORD_SIZE,
    CallStart,
    Context,
    Event,
    Risk,
    StoredRecord,
    WrappedDek,
    check_dek_id,
    check_dek_size,
)
from kms_core.backend.auth_key import AuthKey, Sealer
from kms_core.backend.errors import (
    Clue,
    ErrorTable,
    Meaning,
    check_kek,
    translate_errors,
)
from kms_core.backend.hookspecs import (
    BackendSpec,
    DeriverSpec,
    KekSpec,
    ObserverSpec,
    StorageSpec,
    hookimpl,
)
from kms_core.backend.object_names import (
    decode_object_name,
    encode_object_name,
    encode_object_prefix,
)
from kms_core.backend.parameters import (
    AnyEndpoint,
    Attempts,
    BackendConfig,
    Endpoint,
    RecordPrefix,
    Seconds,
    SecretBytes,
    SecretStr,
    ServiceConfig,
)
from kms_core.backend.replies import parse_json, read_part
from kms_core.backend.route import Route
from kms_core.backend.sdk import PerProcess, mute_logging
from kms_core.backend.sealing import SEALING_KEY_SIZE, seal_dek, unseal_dek
from kms_core.backend.secret_file import read_secret_file
from kms_core.backend.transports import find_host, inner_errors

__all__ = [
    "MAX_RECORD_SIZE",
    "SEALING_KEY_SIZE",
    "AnyEndpoint",
    "Attempts",
    "AuthKey",
    "BackendConfig",
    "BackendSpec",
    "CallStart",
    "Clue",
    "Context",
    "DeriverSpec",
    "Endpoint",
    "ErrorTable",
    "Event",
    "KekSpec",
    "Meaning",
    "ObserverSpec",
    "PerProcess",
    "RecordPrefix",
    "Risk",
    "Route",
    "Sealer",
    "Seconds",
    "SecretBytes",
    "SecretStr",
    "ServiceConfig",
    "StorageSpec",
    "StoredRecord",
    "WrappedDek",
    "check_dek_id",
    "check_dek_size",
    "check_kek",
    "decode_object_name",
    "encode_context",
    "encode_object_name",
    "encode_object_prefix",
    "find_host",
    "hookimpl",
    "inner_errors",
    "mute_logging",
    "parse_json",
    "read_part",
    "read_secret_file",
    "seal_dek",
    "translate_errors",
    "unseal_dek",
]
