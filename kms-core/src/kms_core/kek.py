"""The façade of a KEK alone: it wraps data that the caller keeps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kms_core._blob import blob_context, decode_blob, encode_blob
from kms_core._events import Observers, observe
from kms_core._facade import Facade
from kms_core._tracebacks import without_locals
from kms_core._values import MAX_DATA_SIZE
from kms_core.errors import DekSizeError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._plugins.clients import KekClient


class Kek(Facade):
    """An opened KEK. Get one from :func:`kms_core.open_kek`.

    One Kek may be used by many threads, and by a child after a fork. Every error is a
    :class:`~kms_core.KmsError`, and carries no local variables of the frames below the caller's.
    """

    def __init__(self, kek: KekClient, resources: ExitStack, observers: Observers = ()) -> None:
        super().__init__(kek, resources)
        self._kek = kek
        self._observers = observers

    @without_locals
    def wrap(self, data: bytes, context: Mapping[str, str]) -> bytes:
        """Wrap data under the newest version of the KEK.

        Args:
            data: 1 to 4064 bytes, such as a key.
            context: what the data is bound to; not secret. Its canonical JSON has at most 2048
                bytes, and no key is empty or ``format``.

        Returns:
            A blob, not secret, to be kept by the caller. One of 32 bytes has at most 1024 bytes,
            under every KEK.

        Raises:
            DekSizeError: the data is empty or too long.
            ContextError: the context is not one.
            OperationError: the KMS refused or failed; see ``retryable``.
        """
        with observe(self._observers, "wrap", self._kek.backend, None):
            bound = blob_context(context)
            if not 1 <= len(data) <= MAX_DATA_SIZE:
                raise DekSizeError(f"1 to {MAX_DATA_SIZE} bytes can be wrapped, not {len(data)}")
            wrapped = self._kek.wrap(bytes(data), bound)
            blob = encode_blob(self._kek.provider, wrapped)
            self._kek.prove_wrapped(wrapped, bound, bytes(data))
            return blob

    @without_locals
    def unwrap(self, blob: bytes, context: Mapping[str, str]) -> bytes:
        """Unwrap what :meth:`wrap` returned, by this KEK and under an equal context.

        Args:
            blob: may come from anybody; a KEK that it names is compared, and never followed.
            context: equal to the one under which it was wrapped.

        Raises:
            BlobError: it is not a blob of ours, or of an unknown version.
            KekNotFoundError: another KEK wrapped it, or a version that is gone.
            UnwrapError: it was altered, or the context is another.
            ContextError: the context is not one.
            OperationError: the KMS refused or failed; see ``retryable``.
        """
        with observe(self._observers, "unwrap", self._kek.backend, None):
            bound = blob_context(context)
            provider, wrapped = decode_blob(blob)
            self._kek.check_provider(provider)
            return self._kek.unwrap(wrapped, bound)

    @without_locals
    def check_health(self) -> None:
        """Ask the KMS whether it would serve a call now. Nothing is changed.

        Raises:
            OperationError: it would not; see ``retryable``.
        """
        self._kek.check_health()

    def __repr__(self) -> str:
        return f"<Kek {self._kek.backend}>"
