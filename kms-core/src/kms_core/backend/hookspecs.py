"""The contract of a backend: subclass one of these, and mark each method with ``@hookimpl``.

A hook that says "Optional" may be left out; what core does then is written beside it.

Core calls every hook with all its arguments by name, checks the type of what comes back, says where
an error happened, tells observers, and closes. A backend only talks to its service: it keeps no
cache, locks nothing but what its SDK cannot share, and retries nothing beyond what its SDK retries
by itself. All hooks may be called from several threads at once.

A hook raises the errors that it lists, always ``from`` the SDK's own, of which core shows the class
and the lines only. Every hook may also raise :class:`AccessDeniedError` where a permission is
missing, :class:`AuthenticationError` where the credentials are not accepted (core then opens the
backend again and makes that call once more), :class:`ThrottledError` at a quota,
:class:`UnavailableError` after a time-out, a lost connection or a failure of the service, and
:class:`ConfigError` where only another configuration helps. No message may hold key bytes or a
credential. Any other exception is a mistake of the backend: core makes it a
:class:`BackendContractError` that names the backend's distribution. What a signal handler or
another thread raised meanwhile, such as a time limit, passes as it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import pluggy

from kms_core._values import (
    CallStart,
    Context,
    Event,
    KekInfo,
    Risk,
    StorageInfo,
    StoredRecord,
    WrappedDek,
)

if TYPE_CHECKING:  # the contract does not need to know how parameters are read
    from kms_core.backend.parameters import BackendConfig
    from kms_core.backend.route import Route

PROJECT = "kms_core"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class BackendSpec(ABC):
    """What all backends share: a ``Config`` model, ``__init__(self, config)`` and ``close``.

    ``__init__`` opens a client of the service; the KEK or the store need not be reached yet. If it
    raises, it has freed what it had opened, because core then has nothing to close.

    Static methods, which are no hooks, may give ``kms permissions`` what to print, and tell
    ``kms doctor`` which way calls go.
    """

    Config: ClassVar[type["BackendConfig"]]
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """For ``kms doctor``: hook → the permissions that it takes, as the service calls them."""

    @staticmethod
    def write_policy(purpose: str, configs: Sequence["BackendConfig"], form: str) -> str:
        """Write the least policy for a purpose, ready to paste. Optional.

        Args:
            purpose: ``get``, ``create``, ``rewrap``, ``migrate`` or ``doctor``.
            configs: of the provider's KEKs and storages that are to be allowed; none for a policy
                with placeholders.
            form: ``policy``, or another form that the provider has: ``bucket-policy`` or
                ``access-policy``.

        Raises:
            ConfigError: there is no such form.
        """
        raise NotImplementedError

    @staticmethod
    def find_route(config: "BackendConfig") -> "Route":
        """Find which way calls go, so that ``kms doctor`` can try it layer by layer. Optional.

        Args:
            config: of the backend, which is not opened yet.

        Raises:
            KmsError: there is none; opening fails as well.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @abstractmethod
    def close(self) -> None:
        """Free what this client holds.

        Guarantees:
            Other clients of the same service go on working. Core calls this once, and no other
            hook after it.
        """


class KekSpec(BackendSpec):
    """A key encryption key in a key management service (entry-point group ``kms.kek``).

    Example::

        class AcmeKek(KekSpec):
            class Config(BackendConfig):
                key_name: str

            def __init__(self, config: Config) -> None:
                self._kms = acme.Client(config.key_name)

            @hookimpl
            def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
                with translate_errors(CALL, "wrap", self._kms.name):
                    reply = self._kms.wrap(dek, aad=encode_context(context))
                return WrappedDek(reply.blob, self._kms.name, reply.version, "AES-256-GCM")

            ...  # unwrap_dek, describe_kek and close likewise
    """

    @hookspec(firstresult=True)
    @abstractmethod
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        """Wrap a DEK under the newest version of the KEK.

        Args:
            dek: 1 to 8192 bytes: 32 by which core knows it again, and the DEK itself.
            context: what the DEK is bound to. All of it is authenticated.

        Returns:
            The wrapped DEK, with the names of the KEK, of its version and of the algorithm.

        Guarantees:
            ``unwrap_dek`` with an equal context returns the same bytes, from a fresh client in
            another process too, also after the KEK was rotated. Under any other context it fails.

        Raises:
            KekNotFoundError: the KMS has no such KEK.
            KekDisabledError: the KEK may not be used.
            AccessDeniedError: with ``maybe_missing=True`` where the service says the same of a KEK
                that is not there.
            DekSizeError: the KMS takes no DEK of this size.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        """Unwrap what ``wrap_dek`` of the same KEK returned.

        Args:
            wrapped: comes from a store that others may write. Its ``kek_id`` is compared with the
                configured KEK and never used as an address.
            context: equal to the one under which it was wrapped.

        Returns:
            The DEK.

        Guarantees:
            Every field of ``wrapped`` and all of ``context`` are as they were when it was wrapped.

        Raises:
            KekNotFoundError: ``kek_id`` is not the configured KEK's, or the KMS has no such KEK, or
                no such version of it; :func:`check_kek` compares the names.
            UnwrapError: it does not authenticate.
            KekDisabledError: the version that wrapped is disabled.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the configured KEK.

        Returns:
            The KEK's name, its newest version and the algorithm.

        Guarantees:
            ``wrap_dek`` now would use what this returns.

        Raises:
            KekNotFoundError: the KMS has no such KEK.
            KekDisabledError: the KEK may not be used.
        """

    @hookspec(firstresult=True)
    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        """Wrap a DEK under the version that ``describe_kek`` returned, without asking for it again.

        Optional, for a backend whose ``wrap_dek`` asks the KMS which version is the newest, or may
        be answered by another one for a while. Without it core calls ``wrap_dek``. Core asks once,
        and then wraps many DEKs.

        Args:
            dek: as for ``wrap_dek``.
            context: as for ``wrap_dek``.
            kek: what ``describe_kek`` of this client returned.

        Returns:
            As ``wrap_dek``, under that version.

        Guarantees:
            As for ``wrap_dek``.

        Raises:
            KekDisabledError: that version may not be used any more.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        """Wrap again, inside the KMS, what ``wrap_dek`` of the same KEK returned.

        Optional. Without it a DEK is rewrapped by ``unwrap_dek`` and ``wrap_dek`` only.

        Args:
            wrapped: as for ``unwrap_dek``.
            context: equal to the one under which it was wrapped.

        Returns:
            The same DEK, as ``wrap_dek`` would wrap it now; ``wrapped`` itself if the newest
            version wrapped it already.

        Guarantees:
            The DEK is never in this process.

        Raises:
            KekNotFoundError: as for ``unwrap_dek``.
            UnwrapError: it does not authenticate.
            KekDisabledError: a version that it takes is disabled.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        """Find which version of the KEK wrapped, where ``kek_version`` does not say.

        Optional, for a KMS that tells it of what it unwraps and not of what it wraps. Without it
        core goes by ``kek_version``.

        Args:
            wrapped: as for ``unwrap_dek``.
            context: as for ``unwrap_dek``.

        Returns:
            The version, as ``describe_kek`` gives the newest one as ``key_material``.

        Guarantees:
            Of what ``wrap_dek`` has just returned it is what ``describe_kek`` gives now.

        Raises:
            KekNotFoundError: as for ``unwrap_dek``.
            UnwrapError: it does not authenticate.
            KekDisabledError: the version that wrapped is disabled.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def rotate_kek(self) -> KekInfo:
        """Make a new version of the KEK.

        Optional, for a KEK that is this program's own, such as one in a file. Where an admin
        rotates it, by a permission that users of DEKs need not have, leave it out.

        Returns:
            The KEK as ``describe_kek`` describes it from now on.

        Guarantees:
            The new version is durable before it wraps, in this client and in fresh ones. What older
            versions wrapped unwraps. Of two that rotate at once, each makes a version.

        Raises:
            KekNotFoundError: the KEK is not there any more.
            KekDisabledError: the KEK may not be used.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def rotation_command(self) -> str:
        """Say by which command an admin rotates the configured KEK.

        Optional, in place of ``rotate_kek``. ``kms kek rotate`` shows it.

        Returns:
            One line for a POSIX shell, as ``shlex.join`` quotes it, without a credential.

        Guarantees:
            Nothing is changed, and no permission is needed but that of ``describe_kek``.

        Raises:
            KekNotFoundError: the KMS has no such KEK.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        """Unwrap what another program had the KMS wrap under this KEK, without any context.

        Optional. Without it DEKs of such a program cannot be imported. Core proves what comes back
        by what that key encrypts, and never makes a record of it as it is.

        Args:
            ciphertext: as the KMS returned it to that program.
            kek_version: the version that wrapped; empty for the newest, or where the KMS finds it.

        Returns:
            What the KMS unwraps, with whatever it adds.

        Guarantees:
            No other KEK than the configured one unwraps, whatever the ciphertext says.

        Raises:
            KekNotFoundError: the KMS has no such KEK, or no such version of it.
            UnwrapError: this KEK did not wrap it, or it was altered.
            KekDisabledError: the version that wrapped is disabled.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def check_health(self) -> None:
        """Ask whether the KMS would serve a call now.

        Optional. Without it core calls ``describe_kek``.

        Guarantees:
            It is cheap and changes nothing.

        Raises:
            OperationError: the KMS would not.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def find_risks(self) -> list[Risk]:
        """Find what works with this KEK, and may do harm one day: ``kms doctor`` tells it.

        Optional. Without it nothing is told but what core finds by wrapping and unwrapping.

        Returns:
            What is known from the configuration, and from what ``describe_kek`` asks for.

        Guarantees:
            Nothing is changed, and no permission is needed but that of ``describe_kek``.

        Raises:
            OperationError: the KMS refused or failed.
        """
        raise NotImplementedError


class DeriverSpec(BackendSpec):
    """A KEK that derives DEKs and stores none (entry-point group ``kms.kek`` as well).

    Example::

        class AcmeKek(DeriverSpec):
            class Config(BackendConfig):
                key: SecretBytes

            def __init__(self, config: Config) -> None:
                self._key = config.key

            @hookimpl
            def derive_dek(self, dek_id: str, size: int) -> bytes:
                info = check_dek_id(dek_id)
                hkdf = HKDF(SHA256(), size, salt=None, info=info)
                return hkdf.derive(self._key.get_secret_value())

            ...  # describe_kek and close likewise
    """

    @hookspec(firstresult=True)
    @abstractmethod
    def derive_dek(self, dek_id: str, size: int) -> bytes:
        """Derive the DEK of this dek_id.

        Args:
            dek_id: what the DEK is for.
            size: the DEK's size, 1 to 8160 bytes.

        Returns:
            The DEK. It is not kept.

        Guarantees:
            The same arguments give the same bytes in every process that has the same secret.
            Another dek_id or another secret gives unrelated bytes.

        Raises:
            DekSizeError: the size is out of range.
            DekIdError: the dek_id is empty.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_kek(self) -> KekInfo:
        """Name the kind of the secret.

        Returns:
            A name that tells nothing about the secret's value, and the algorithm.

        Guarantees:
            It is the same for every secret of this kind.
        """


class StorageSpec(BackendSpec):
    """A place for records (entry-point group ``kms.storage``).

    A dek_id is any text of 1 to 255 bytes in UTF-8 without control characters. Two that differ in
    anything, even in case, are two records, and none is ever a path. ``data`` is opaque, at most
    65536 bytes. A revision is the store's own token of one state of one record.

    Example::

        class AcmeStorage(StorageSpec):
            class Config(BackendConfig):
                bucket: str

            def __init__(self, config: Config) -> None:
                self._store = acme.Client(config.bucket)

            @hookimpl
            def create_record(self, dek_id: str, data: bytes) -> str:
                name = encode_object_name(dek_id)
                with translate_errors(CALL, "create", name):
                    return self._store.put(name, data, if_none_match="*").etag

            ...  # load_record, replace_record, delete_record and the others likewise
    """

    @hookspec(firstresult=True)
    @abstractmethod
    def load_record(self, dek_id: str) -> StoredRecord:
        """Read the record as it is now.

        Args:
            dek_id: whose record.

        Returns:
            Its data, of which at most ``MAX_RECORD_SIZE + 1`` bytes are read, and its revision.

        Guarantees:
            What is returned is durable: it would be there after a power failure.

        Raises:
            DekNotFoundError: there is none.
            AccessDeniedError: with ``maybe_missing=True`` where the service does not tell these
                credentials whether there is one.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def create_record(self, dek_id: str, data: bytes) -> str:
        """Store a new record, atomically.

        Args:
            dek_id: whose record.
            data: 1 to 65536 bytes.

        Returns:
            Its revision.

        Guarantees:
            Of all clients that ever create this dek_id exactly one succeeds. The record is durable
            and every client sees it whole.

        Raises:
            DekExistsError: there is one already, and it is as before.
            ConflictError: nothing was stored, and nothing is known of another.
            UnavailableError: it may or may not have been stored.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        """Store new data if the record is still at the revision.

        Args:
            dek_id: whose record.
            data: 1 to 65536 bytes.
            revision: what ``load_record`` returned with the old data.

        Returns:
            The new revision.

        Guarantees:
            Of two clients that replace one revision exactly one succeeds.

        Raises:
            ConflictError: the record is at another revision, be it that of an attempt of this very
                call whose answer the SDK had lost; core then compares what is stored.
            DekNotFoundError: there is none.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def delete_record(self, dek_id: str, revision: str) -> None:
        """Delete the record if it is still at the revision.

        Args:
            dek_id: whose record.
            revision: what ``load_record`` returned.

        Guarantees:
            A record at another revision is as before.

        Raises:
            ConflictError: the record is at another revision.
            DekNotFoundError: there is none.
        """

    @hookspec(firstresult=True)
    @abstractmethod
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        """List the stored ids, reading on as the caller asks for more.

        Args:
            prefix: any text that has a UTF-8 form, also none and one that no dek_id can have.

        Returns:
            Each dek_id that starts with the prefix, once, in any order.

        Guarantees:
            Memory does not grow with the store. Ids that are created meanwhile may be missed.
        """

    @hookspec(firstresult=True)
    def count_old_records(self, prefix: str) -> int:
        """Count what the store still keeps of records that were replaced or deleted.

        Optional, for a store that keeps old versions, or deleted objects for a while. Without it
        nobody can say which version of the KEK these still need.

        Args:
            prefix: as for ``list_dek_ids``.

        Returns:
            How many earlier states there are of records whose dek_id starts with the prefix.

        Guarantees:
            Whatever can still be restored is counted, and no record as it is now. Memory does not
            grow with the store.

        Raises:
            OperationError: the store does not tell.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def list_objects(self, prefix: str) -> Iterator[str]:
        """List what other programs and kms-core keep where the records are, by its own names.

        Optional, for a store of objects that others may share. Without it DEKs of another program
        cannot be imported from there.

        Args:
            prefix: as for ``list_dek_ids``, of the objects' names.

        Returns:
            The name of each object that starts with the prefix, as the store has it, once.

        Guarantees:
            Memory does not grow with the store.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def load_object(self, name: str) -> bytes:
        """Read an object of this very name.

        Optional, as ``list_objects`` is.

        Args:
            name: what ``list_objects`` returned.

        Returns:
            Its content, of which at most ``MAX_RECORD_SIZE + 1`` bytes are read.

        Raises:
            DekNotFoundError: there is none.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def check_health(self) -> None:
        """Ask whether the store would serve a call now.

        Optional. Without it core calls ``load_record`` for an id that is hardly there.

        Guarantees:
            It is cheap and changes nothing.

        Raises:
            OperationError: the store would not.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def find_risks(self, dek_id: str) -> list[Risk]:
        """Find what works with this store, and may do harm one day: ``kms doctor`` tells it.

        Optional. Without it nothing is told but what core finds by writing and reading.

        Args:
            dek_id: of a record that is there, whose answer may tell more.

        Returns:
            What is known from the configuration, and from what ``load_record`` asks for; or from
            a description of the store, if these credentials may ask for it.

        Guarantees:
            Nothing is changed.

        Raises:
            OperationError: the store refused or failed.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @abstractmethod
    def describe_storage(self) -> StorageInfo:
        """Say where the records are.

        Returns:
            The place, without a credential.

        Guarantees:
            It needs no permission.
        """


class ObserverSpec(BackendSpec):
    """Hears of each DEK asked for and each hook called (entry-point group ``kms.observer``).

    Beginning and end of a call are told in the same thread and the same context (PEP 567) as the
    call itself, so a context variable that is set at the beginning is seen by the hook, and what is
    made at the beginning, such as a span, can be found again by ``call`` at the end.

    Example::

        class AcmeObserver(ObserverSpec):
            class Config(BackendConfig):
                pass

            def __init__(self, config: Config) -> None:
                self._calls = acme.Counter("kms_calls")

            @hookimpl
            def observe(self, event: Event) -> None:
                self._calls.add(1, operation=event.operation, outcome=event.outcome)

            @hookimpl
            def close(self) -> None:
                self._calls.flush()
    """

    @hookspec(firstresult=True)
    def observe_start(self, start: CallStart) -> None:
        """Hear of a call that begins.

        Optional. Without it only ends are told.

        Args:
            start: what is called. It holds no key bytes.

        Guarantees:
            What this raises changes nothing about the call. Core logs the error's class name,
            once for each class.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    @abstractmethod
    def observe(self, event: Event) -> None:
        """Hear of a call that has ended.

        Args:
            event: what was called, how it ended and how long it took. It holds no key bytes.

        Guarantees:
            What this raises changes nothing about the call. Core logs the error's class name,
            once for each class.
        """
