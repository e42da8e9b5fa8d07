"""An opened KEK, of either kind."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial

from kms_core._commitment import split_commitment, unwrap_committed, wrap_committed
from kms_core._plugins.clients.call import Client, Operation
from kms_core._values import Context, KekInfo, Risk, WrappedDek
from kms_core.backend.hookspecs import DeriverSpec, KekSpec
from kms_core.errors import (
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    KmsError,
    UnavailableError,
    UnwrapError,
    show_name,
)


class KekClient(Client[KekSpec]):
    """An opened KEK."""

    retired: Collection[str] = ()
    """The versions that the configuration has retired: nothing is wrapped or unwrapped by them."""

    @property
    def provider(self) -> str:
        """The backend's name, as records and blobs have it."""
        return self.backend.partition("://")[2]

    def check_provider(self, provider: str) -> None:
        """Refuse what a KEK of another provider wrapped.

        Raises:
            KekNotFoundError: it names another provider.
        """
        if provider != self.provider:
            raise wrapped_elsewhere(provider, [self.backend])

    def wrap(self, data: bytes, context: Context, newest: KekInfo | None = None) -> WrappedDek:
        """Wrap a DEK or other data under the newest version of the KEK, and commit to it.

        Args:
            data: what to wrap.
            context: what it is bound to.
            newest: what the KMS said of the KEK a moment ago.
        """
        under = self.wrap_dek if newest is None else partial(self.wrap_dek_under, kek=newest)
        return wrap_committed(data, context, under)

    def unwrap(self, wrapped: WrappedDek, context: Context) -> bytes:
        """Unwrap what :meth:`wrap` or :meth:`rewrap` returned, and nothing else.

        Raises:
            UnwrapError: the KEK returned other bytes than were wrapped.
        """
        try:
            return unwrap_committed(wrapped, context, self.unwrap_dek)
        except UnwrapError as error:
            self._located(error, "unwrap_dek", context.get("dek_id"))
            raise

    def rewrap(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        """Have the KMS wrap again what :meth:`wrap` returned, as :meth:`rewrap_dek` does."""
        commitment, inner = split_commitment(wrapped)
        again = self.rewrap_dek(inner, context)
        return replace(again, ciphertext=commitment + again.ciphertext)

    def find_material(self, wrapped: WrappedDek, context: Context) -> str:
        """Which version wrapped what :meth:`wrap` returned; empty where the KMS does not say."""
        return self.find_key_material(split_commitment(wrapped)[1], context)

    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        """Call the hook."""
        hook, dek_id = self._hooks.wrap_dek, context.get("dek_id")
        wrapped = self._call("wrap_dek", hook, WrappedDek, dek_id, dek=dek, context=context)
        self._refuse_retired(wrapped, "wrap_dek", dek_id)
        return wrapped

    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        """Wrap a DEK under the version that was described, if the backend need not ask again."""
        if not self.offers("wrap_dek_under"):
            return self.wrap_dek(dek, context)
        hook, dek_id = self._hooks.wrap_dek_under, context.get("dek_id")
        wrapped = self._call(
            "wrap_dek_under", hook, WrappedDek, dek_id, dek=dek, context=context, kek=kek
        )
        self._refuse_retired(wrapped, "wrap_dek_under", dek_id)
        return wrapped

    def prove_wrapped(self, wrapped: WrappedDek, context: Context, dek: bytes) -> None:
        """Have the KEK unwrap what it has just wrapped, before anybody relies on it.

        An answer may be damaged on its way, or come from something that is not the KMS. Such a
        wrapped DEK would be stored, and what is encrypted under the DEK be lost.

        Raises:
            UnavailableError: it does not unwrap to the same bytes.
        """
        try:
            proven = hmac.compare_digest(self.unwrap(wrapped, context), dek)
        except (UnwrapError, KekNotFoundError):
            proven = False
        if not proven:
            # Not from the error above, which says that a record is to be restored.
            problem = UnavailableError(
                "what the KMS wrapped does not unwrap, so it was not used; check endpoint and "
                "proxy, and try again"
            )
            raise self._located(problem, "wrap_dek", context.get("dek_id")) from None

    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        """Call the hook."""
        hook, dek_id = self._hooks.unwrap_dek, context.get("dek_id")
        self._refuse_retired(wrapped, "unwrap_dek", dek_id)
        return self._call("unwrap_dek", hook, bytes, dek_id, wrapped=wrapped, context=context)

    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the KEK."""
        return self._call("describe_kek", self._hooks.describe_kek, KekInfo, None)

    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        """Have the KMS wrap again what it wrapped; what the newest version wrapped comes back.

        Raises:
            ConfigError: the backend cannot have that done.
        """
        dek_id = context.get("dek_id")
        if not self.offers("rewrap_dek"):
            problem = ConfigError(
                f"{self.backend} cannot wrap again inside the KMS; rewrap with verify=unwrap"
            )
            raise self._located(problem, "rewrap_dek", dek_id)
        self._refuse_retired(wrapped, "rewrap_dek", dek_id)
        hook = self._hooks.rewrap_dek
        rewrapped = self._call(
            "rewrap_dek", hook, WrappedDek, dek_id, wrapped=wrapped, context=context
        )
        self._refuse_retired(rewrapped, "rewrap_dek", dek_id)
        return rewrapped

    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        """Call the hook, if there is one."""
        if not self.offers("find_key_material"):
            return ""
        hook, dek_id = self._hooks.find_key_material, context.get("dek_id")
        return self._call("find_key_material", hook, str, dek_id, wrapped=wrapped, context=context)

    def rotate_kek(self) -> KekInfo:
        """Make a new version of the KEK, if the backend can."""
        if not self.offers("rotate_kek"):
            command = self.rotation_command()
            cure = f"run: {command}" if command else "rotate it with the tools of its KMS"
            problem = ConfigError(f"kms-core does not rotate this KEK; {cure}")
            raise self._located(problem, "rotate_kek", None)
        return self._call("rotate_kek", self._hooks.rotate_kek, KekInfo, None)

    def rotation_command(self) -> str | None:
        """The command by which an admin rotates the KEK, if the backend knows one."""
        if not self.offers("rotation_command"):
            return None
        return self._call("rotation_command", self._hooks.rotation_command, str, None)

    def unwrap_foreign(self, dek_id: str, ciphertext: bytes, kek_version: str) -> bytes:
        """Unwrap what another program had the KMS wrap.

        Raises:
            ConfigError: the backend cannot do that.
        """
        if not self.offers("unwrap_foreign"):
            problem = ConfigError(
                f"{self.backend} unwraps nothing but what kms-core wrapped; open the KEK of the "
                "program that you come from"
            )
            raise self._located(problem, "unwrap_foreign", dek_id)
        hook = self._hooks.unwrap_foreign
        return self._call(
            "unwrap_foreign", hook, bytes, dek_id, ciphertext=ciphertext, kek_version=kek_version
        )

    def check_health(self) -> None:
        """Ask whether the KMS would serve a call now."""
        if not self.offers("check_health"):
            self.describe_kek()
            return
        self._call("check_health", self._hooks.check_health, type(None), None)

    def find_risks(self) -> list[Risk]:
        """What works and may do harm one day, as far as the backend knows."""
        if not self.offers("find_risks"):
            return []
        return self._only_risks(self._call("find_risks", self._hooks.find_risks, list, None))

    def _refuse_retired(
        self, wrapped: WrappedDek, operation: Operation, dek_id: str | None
    ) -> None:
        """Refuse what a retired version wrapped, before it is unwrapped or stored."""
        if not self.retired:
            return
        if not wrapped.kek_version:
            problem: KmsError = ConfigError(
                "this KMS names no version, so retiredVersions has no effect; leave it out"
            )
        elif wrapped.kek_version in self.retired:
            problem = KekDisabledError(
                f"version {show_name(wrapped.kek_version)} of the KEK is among retiredVersions; "
                "rewrap the DEK by a configuration that does not retire it, or rotate the KEK if "
                "this version still wraps"
            )
        else:
            return
        raise self._located(problem, operation, dek_id)


def wrapped_elsewhere(provider: str, configured: Iterable[str]) -> KekNotFoundError:
    """The error of what a KEK of another provider wrapped than of the configured ones."""
    return KekNotFoundError(
        f"it is wrapped by a KEK of {show_name(provider)}, and {', '.join(configured)} is "
        "configured; configure the KEK that wrapped it too"
    )


class DeriverClient(Client[DeriverSpec]):
    """An opened KEK that derives DEKs."""

    def derive_dek(self, dek_id: str, size: int) -> bytes:
        """Derive a DEK of ``size`` bytes."""
        hook = self._hooks.derive_dek
        return self._call("derive_dek", hook, bytes, dek_id, dek_id=dek_id, size=size)

    def describe_kek(self) -> KekInfo:
        """Name the secret's kind."""
        return self._call("describe_kek", self._hooks.describe_kek, KekInfo, None)

    def check_health(self) -> None:
        """Do nothing: the secret is in this process."""
