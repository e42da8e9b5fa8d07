"""Every error that kms-core and its backends raise.

A backend raises these with a message that says what failed and what to do; core fills in
``backend``, ``operation`` and ``dek_id`` on the way out, so no backend repeats them.
"""

from __future__ import annotations

import reprlib

_names = reprlib.Repr()
_names.maxstring = 300
show_name = _names.repr
"""Quotes a name that a stranger may have written: without control characters, and not too long."""


class KmsError(Exception):
    """Base of all errors of this library; never raised directly.

    Attributes:
        backend: the backend that failed as ``kms://NAME`` or ``storage://NAME``, if one did.
        operation: the hook that failed, such as ``wrap_dek``, or ``open``.
        dek_id: the DEK concerned, if one was.
        retryable: whether the same call may succeed later without anybody's help.
        other_kek: whether it says that another KEK wrapped, so that core asks the others that are
            configured.
        cure: the end of the message that says what to do, where that is known apart from the rest.
        code: what ``kms doctor`` calls the cause, such as ``DNS``, where the class says less.
    """

    retryable: bool = False
    other_kek: bool = False
    backend: str | None = None
    operation: str | None = None
    dek_id: str | None = None
    cure: str = ""
    code: str = ""

    def locate(self, *, backend: str, operation: str, dek_id: str | None) -> None:
        """Fill in where the error happened; what is already known stays."""
        self.backend = self.backend or backend
        self.operation = self.operation or operation
        self.dek_id = self.dek_id or dek_id

    def __str__(self) -> str:
        message = super().__str__()
        if self.backend is None:
            return message
        subject = "" if self.dek_id is None else f" of DEK {show_name(self.dek_id)}"
        return f"{self.backend}: {self.operation}{subject}: {message}"


class ConfigError(KmsError):
    """The configuration is wrong: a URI, a file, a parameter or a combination of backends."""


class BackendError(KmsError):
    """A plugin cannot be used; the message names its distribution and the cure."""


class BackendNotFoundError(BackendError):
    """No installed distribution provides the backend."""


class BackendLoadError(BackendError):
    """The backend's module could not be imported."""


class BackendAmbiguousError(BackendError):
    """Two or more distributions provide a backend of this name."""


class BackendVersionError(BackendError):
    """The plugin says that it was made for other versions of kms-core; nothing of it ran."""


class BackendContractError(BackendError):
    """The backend does not do what the hookspec says."""


class OperationError(KmsError):
    """A KMS or a store refused or failed an operation."""


class AccessDeniedError(OperationError):
    """The credentials are not allowed to do this; the message names what is missing.

    Args:
        message: what failed, and what to allow.
        maybe_missing: a store says the same of a record that does not exist, to those who may not
            list it. ``get_dek`` then finds out by a create, which only succeeds if there is none.
    """

    def __init__(self, message: str, *, maybe_missing: bool = False) -> None:
        super().__init__(message)
        self.maybe_missing = maybe_missing


class AuthenticationError(AccessDeniedError):
    """The service does not accept the credentials, or none were found; it did nothing.

    They may have been renewed since: core opens the backend again, once, before this is raised.
    """


class KekNotFoundError(OperationError):
    """The KEK or a version of it does not exist, or another KEK wrapped than is configured.

    Args:
        message: which KEK is missing, and what to do.
        configured: the name of the configured KEK, where another one wrapped.
    """

    def __init__(self, message: str, *, configured: str | None = None) -> None:
        super().__init__(message)
        self.configured = configured
        self.other_kek = configured is not None


class KekDisabledError(OperationError):
    """The KEK exists but may not be used: disabled, expired or pending deletion."""


class DekNotFoundError(OperationError):
    """There is no DEK of this id."""

    def __init__(self, message: str = "no record of this dek_id is stored") -> None:
        super().__init__(message)


class DekExistsError(OperationError):
    """There already is a DEK of this id."""

    def __init__(self, message: str = "a record of this dek_id is already stored") -> None:
        super().__init__(message)


class DekIdError(OperationError):
    """The dek_id is empty, too long, or holds characters that are not allowed."""


class DekSizeError(OperationError):
    """The size is out of range, or not the size of the stored DEK."""


class ConflictError(OperationError):
    """Somebody else changed the record in between; nothing of ours was written."""

    retryable = True

    def __init__(
        self, message: str = "the record has changed since it was read; read it again"
    ) -> None:
        super().__init__(message)


class ThrottledError(OperationError):
    """The service refused for now because of a quota or rate limit."""

    retryable = True


class UnavailableError(OperationError):
    """The service did not answer, or failed; a write may or may not have happened.

    Attributes:
        own_timeout: whether the caller's own ``timeout`` ended it, which tells others nothing.
    """

    retryable = True
    own_timeout: bool = False


class ClosedError(OperationError):
    """The backend was used after it had been closed."""


class RecordError(KmsError):
    """A stored record is malformed, of an unknown version or of another DEK.

    It is never overwritten: restore it from a backup, or delete it if the DEK is not needed.
    """


class BlobError(KmsError):
    """What is to be unwrapped is not a blob of ours, or of an unknown version."""


class ArchiveError(KmsError):
    """A file is no archive of ours, of an unknown version, or was altered, cut or extended."""


class ContextError(KmsError):
    """The context of a blob is not text, too long, or has a key that is not allowed."""


class UnwrapError(KmsError):
    """The wrapped DEK or data did not authenticate, or the KMS returned other bytes than were
    wrapped. One message for whatever was altered: it tells an attacker nothing of the check.
    """

    def __init__(
        self,
        message: str = "it cannot be unwrapped: it was altered, or belongs to another dek_id or "
        "context; restore the record from a backup, or give the blob's own context",
    ) -> None:
        super().__init__(message)
