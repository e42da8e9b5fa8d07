"""The façade of a KEK alone: it wraps data that the caller keeps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kms_core._blob import blob_context, decode_blob, encode_blob
from kms_core._events import Observers, observe
from kms_core._facade import Facade
from kms_core._tracebacks import without_locals
from kms_core._values import MAX_DATA_SIZE, KekInfo
from kms_core.errors import DekSizeError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._plugins.clients import Keyset


class Kek(Facade):
    """An opened KEK. Get one from :func:`kms_core.open_kek`.

    One Kek may be used by many threads, and by a child after a fork. Every error is a
    :class:`~kms_core.KmsError`, and carries no local variables of the frames below the caller's.
    """

    def __init__(self, keks: Keyset, resources: ExitStack, observers: Observers = ()) -> None:
        super().__init__(keks.first, resources)
        self._keks = keks
        self._kek = keks.first
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
        with observe(self._observers, "wrap", self._kek.backend, None) as call:
            bound = blob_context(context)
            if not 1 <= len(data) <= MAX_DATA_SIZE:
                raise DekSizeError(f"1 to {MAX_DATA_SIZE} bytes can be wrapped, not {len(data)}")
            wrapped = self._kek.wrap(bytes(data), bound)
            call.note_kek(wrapped)
            blob = encode_blob(self._kek.provider, wrapped)
            self._kek.prove_wrapped(wrapped, bound, bytes(data))
            return blob

    @without_locals
    def unwrap(self, blob: bytes, context: Mapping[str, str]) -> bytes:
        """Unwrap what :meth:`wrap` returned, by the KEK that wrapped it, under an equal context.

        Args:
            blob: may come from anybody; the KEK that it names is looked for among those that are
                configured, and never followed.
            context: equal to the one under which it was wrapped.

        Raises:
            BlobError: it is not a blob of ours, or of an unknown version.
            KekNotFoundError: a KEK wrapped it that is not configured, or a version that is gone.
            UnwrapError: it was altered, or the context is another.
            ContextError: the context is not one.
            OperationError: the KMS refused or failed; see ``retryable``.
        """
        with observe(self._observers, "unwrap", self._kek.backend, None) as call:
            bound = blob_context(context)
            provider, wrapped = decode_blob(blob)
            call.note_kek(wrapped)
            return self._keks.unwrap(provider, wrapped, bound)

    @without_locals
    def rotate(self) -> KekInfo:
        """Make a new version of the KEK that wraps, where kms-core can.

        Back it up before anything is wrapped by it. Other programs go on with the version that they
        know until they open the KEK again, or meet what the new version wrapped.

        Returns:
            The KEK with its new version, which wraps from now on.

        Raises:
            ConfigError: kms-core cannot; the message has the command that rotates the KEK.
            OperationError: it failed; see ``retryable``.
        """
        return self._kek.rotate_kek()

    @without_locals
    def rotation_command(self) -> str | None:
        """The command by which an admin rotates the KEK that wraps, if there is one.

        It is one line for a POSIX shell. None says that :meth:`rotate` may rotate it.

        Raises:
            OperationError: the KMS refused or failed; see ``retryable``.
        """
        return self._kek.rotation_command()

    @without_locals
    def check_health(self) -> None:
        """Ask the KMS whether it would serve a call now. Nothing is changed.

        Raises:
            OperationError: one of its KEKs would not be used; see ``retryable``.
        """
        self._keks.check_health()

    def __repr__(self) -> str:
        return f"<Kek {self._kek.backend}>"
