"""The KEKs that are configured for one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from kms_core._plugins.clients.kek import KekClient, wrapped_elsewhere
from kms_core._values import Context, WrappedDek
from kms_core.errors import KekNotFoundError, KmsError, show_name

T = TypeVar("T")


class Keyset:
    """The first KEK wraps, and all of them unwrap.

    What is wrapped names its provider and its KEK. These names choose among the configured KEKs,
    and are never followed. A KEK's own name is known to its backend alone, where an alias may stand
    for it, or several names for one KEK; so each KEK of the provider is asked, in order. One that
    did not wrap says so without a call.

    Args:
        keks: at least one.
    """

    def __init__(self, keks: Sequence[KekClient]) -> None:
        self.first = keks[0]
        self._keks = keks
        self._of_provider: dict[str, list[KekClient]] = {}
        for kek in keks:
            self._of_provider.setdefault(kek.provider, []).append(kek)
        self._openers: dict[tuple[str, str, str], KekClient] = {}

    def __iter__(self) -> Iterator[KekClient]:
        return iter(self._keks)

    def check_provider(self, provider: str) -> None:
        """Refuse what a KEK of another provider wrapped.

        Raises:
            KekNotFoundError: no KEK of this provider is configured.
        """
        self._keks_of(provider)

    def unwrap(self, provider: str, wrapped: WrappedDek, context: Context) -> bytes:
        """Unwrap what one of the KEKs wrapped under an equal context.

        Raises:
            KekNotFoundError: none of the KEKs wrapped it.
            KmsError: what the KEK says that wrapped it.
        """
        return self._ask(provider, wrapped, context, lambda kek: kek.unwrap(wrapped, context))

    def find_material(self, provider: str, wrapped: WrappedDek, context: Context) -> str:
        """Which version wrapped, where a record does not say; empty where the KMS does not.

        Raises:
            KmsError: as for :meth:`unwrap`.
        """
        return self._ask(
            provider, wrapped, context, lambda kek: kek.find_material(wrapped, context)
        )

    def check_health(self) -> None:
        """Ask whether each KMS would serve a call now."""
        for kek in self._keks:
            kek.check_health()

    def _ask(
        self,
        provider: str,
        wrapped: WrappedDek,
        context: Context,
        call: Callable[[KekClient], T],
    ) -> T:
        """Call the KEK that wrapped."""
        keks = self._keks_of(provider)
        if len(keks) == 1:
            return call(keks[0])
        names = (provider, wrapped.kek_id, wrapped.algorithm)
        last, errors = self._openers.get(names), []
        for kek in sorted(keks, key=lambda kek: kek is not last):
            try:
                answer = call(kek)
            except KmsError as error:
                errors.append(error)
            else:
                self._openers[names] = kek
                return answer
        raise _most_telling(errors, provider, wrapped, context)

    def _keks_of(self, provider: str) -> list[KekClient]:
        keks = self._of_provider.get(provider)
        if keks is None:
            raise wrapped_elsewhere(provider, dict.fromkeys(kek.backend for kek in self._keks))
        return keks


def _most_telling(
    errors: list[KmsError], provider: str, wrapped: WrappedDek, context: Context
) -> KmsError:
    """The error of the KEK that wrapped, as far as they tell which one that is."""
    error = min(errors, key=_rank)
    if _rank(error) < _rank(KekNotFoundError("", configured="")):
        return error
    names = (e.configured for e in errors if isinstance(e, KekNotFoundError))
    configured = ", ".join(dict.fromkeys(repr(name) for name in names))
    none = KekNotFoundError(
        f"it is wrapped by the KEK {show_name(wrapped.kek_id)}, and {configured} are configured; "
        "configure the KEK that wrapped it too"
    )
    none.locate(backend=f"kms://{provider}", operation="unwrap_dek", dek_id=context.get("dek_id"))
    return none


def _rank(error: KmsError) -> int:
    """What may pass comes first: nothing else is certain before."""
    if error.retryable or not error.other_kek:
        return 0 if error.retryable else 1
    return 3 if isinstance(error, KekNotFoundError) else 2
