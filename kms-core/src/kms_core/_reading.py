"""The part of the façade that programs use all the time: it gives DEKs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from kms_core._events import observe
from kms_core._lifecycle import AS_USUAL
from kms_core._moving import Moves
from kms_core._tracebacks import IteratorWithoutLocals, without_locals
from kms_core._values import Bulk, Outcome, check_dek_id, check_dek_size
from kms_core.errors import DekNotFoundError, UnavailableError

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from concurrent.futures import Future

    from kms_core._deks.got import Got
    from kms_core._deks.pace import Pace


class Reads(Moves):
    """What gives DEKs out, out of the cache if there is one."""

    @without_locals
    def get_dek(
        self,
        dek_id: str,
        *,
        size: int | None = None,
        create: bool = False,
        timeout: float | None = None,
    ) -> bytes:
        """Return the DEK of this id; with ``create`` make it if there is none.

        Whoever asks for an id, in whatever process, gets the same bytes. They are returned only
        once the DEK is known to be stored. A KEK that derives its DEKs has one for every id.

        Args:
            dek_id: 1 to 255 bytes in UTF-8, without control characters. Never a path.
            size: the size that the DEK must have, 1 to 8160 bytes; a new one gets 32 without it.
            create: whether a DEK that is not there is made.
            timeout: seconds for all of it; without it as long as :func:`open_kms` was told. It ends
                the wait: a DEK whose creation it ended may be stored all the same, and is then what
                the next call returns.

        Raises:
            DekNotFoundError: there is none, and ``create`` or the configuration lets none be made.
            DekSizeError: the size is out of range, or the stored DEK has another one.
            DekIdError: the dek_id is not one.
            KekNotFoundError: a KEK wrapped the DEK that is not configured, or a version that is
                gone.
            KekDisabledError: the KEK may not be used, or the configuration retired its version.
            UnwrapError: the record was altered.
            RecordError: what is stored is not a record of this DEK; it is left as it is.
            UnavailableError: the KMS or the store failed, or did not answer in time.
            OperationError: the KMS or the store refused or failed; see ``retryable``.
        """
        if size is not None:
            check_dek_size(size)
        dek = self._find_cached(dek_id, size)
        if dek is not None:
            return dek
        return self._get_told(dek_id, size, create=create, end=self._limit.end(timeout)).dek

    @without_locals
    def get_deks(
        self,
        dek_ids: Iterable[str],
        *,
        size: int | None = None,
        timeout: float | None = None,
        bulk: Bulk = AS_USUAL,
    ) -> Iterator[Outcome]:
        """Read many stored DEKs at once, in the order of their ids and in flat memory.

        One that fails stops no other. The outcome of each is ``done``, with the DEK as its
        ``value``, or ``failed``, with an error; that there is none is an error as well.

        Args:
            dek_ids: which; they are taken as they are needed.
            size: the size that each must have, as for :meth:`get_dek`.
            timeout: seconds for all of them; what has not been read by then fails with an
                :class:`UnavailableError`.
            bulk: how many at once, and how fast.

        Raises:
            DekSizeError: the size is out of range.
        """
        if size is not None:
            check_dek_size(size)
        return IteratorWithoutLocals(self._read(dek_ids, size, self._limit.end(timeout), bulk))

    @contextmanager
    def borrow_dek(
        self,
        dek_id: str,
        *,
        size: int | None = None,
        create: bool = False,
        timeout: float | None = None,
    ) -> Iterator[bytearray]:
        """A block that has the DEK in a buffer, which is overwritten with zeros at its end.

        That shortens the time in which a dump of the memory shows the DEK, and is no promise that
        nothing is left of it: Python itself, the SDK and the library that encrypts make copies
        that nobody can reach.

        Args:
            dek_id: as for :meth:`get_dek`, which raises what this raises.
            size: likewise.
            create: likewise.
            timeout: likewise.
        """
        buffer = bytearray(self.get_dek(dek_id, size=size, create=create, timeout=timeout))
        try:
            yield buffer
        finally:
            buffer[:] = bytes(len(buffer))

    @without_locals
    def forget_dek(self, dek_id: str) -> None:
        """Wipe what the cache has of a DEK, so that the next call reads what is stored.

        Raises:
            DekIdError: the dek_id is not one.
        """
        check_dek_id(dek_id)
        self._forget(dek_id)

    def _missed(self) -> bool | None:
        """What is told of a DEK that has to be read."""
        return None if self._cache is None else False

    def _find_cached(self, dek_id: str, size: int | None) -> bytes | None:
        """The DEK if the cache has it, with an event as of any other read; it makes no call."""
        if self._cache is None:
            return None
        dek = self._cache.find(dek_id, size)
        if dek is not None and self._observers:
            with observe(self._observers, "get_dek", self._described.backend, dek_id) as call:
                call.made, call.cached = False, True
                call.note_kek(self._cache.wrapped_by(dek_id))
        return dek

    def _get_told(self, dek_id: str, size: int | None, *, create: bool, end: float | None) -> Got:
        if not self._observers:
            return self._get(dek_id, size, create=create, end=end)
        with observe(self._observers, "get_dek", self._described.backend, dek_id) as call:
            got = self._get(dek_id, size, create=create, end=end)
            call.made = got.made
            call.cached = self._missed()
            call.note_kek(got.wrapped_by)
            return got

    def _get(self, dek_id: str, size: int | None, *, create: bool, end: float | None) -> Got:
        if end is None and self._cache is None:
            return self._deks.get_dek(dek_id, size, create=create)
        within = partial(self._within, end, "get_dek", dek_id)
        if self._cache is None:
            return within(partial(self._deks.get_dek, dek_id, size, create=create))
        return self._cache.get(dek_id, size, create=create, within=within)

    def _read(
        self, dek_ids: Iterable[str], size: int | None, end: float | None, bulk: Bulk
    ) -> Iterator[Outcome]:
        from kms_core._deks.bulk import bulk_threads, ended, failed, in_threads, run_in_order
        from kms_core._deks.pace import Pace

        pace = Pace(bulk.rate)

        def one(dek_id: str) -> Outcome:
            try:
                attempts = partial(self._attempt, dek_id, size, pace)
                return self._within(end, "get_dek", dek_id, attempts)
            except UnavailableError as error:
                return failed(dek_id, error)

        with bulk_threads(bulk) as executor:
            begin = in_threads(executor, one)

            def submit(dek_id: str) -> Future[Outcome]:
                dek = self._find_cached(dek_id, size)
                return begin(dek_id) if dek is None else ended(_done(dek_id, dek))

            yield from run_in_order(dek_ids, submit, 2 * bulk.concurrency)

    def _attempt(self, dek_id: str, size: int | None, pace: Pace) -> Outcome:
        from kms_core._deks.bulk import attempt, failed

        def read() -> Outcome:
            try:
                return _done(dek_id, self._get_told(dek_id, size, create=False, end=None).dek)
            except DekNotFoundError as error:
                return failed(dek_id, error)

        return attempt(dek_id, read, pace)


def _done(dek_id: str, dek: bytes) -> Outcome:
    return Outcome(dek_id, "done", value=dek)
