"""What both façades share: they are closed, used as a block, and stay in their process."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from kms_core._tracebacks import without_locals
from kms_core._values import KekInfo

if TYPE_CHECKING:  # loaded when a backend is opened, not by `import kms_core`
    from kms_core._plugins.clients import DeriverClient, KekClient


class Facade:
    """An opened KEK, and all that was opened with it."""

    def __init__(self, kek: KekClient | DeriverClient, resources: ExitStack) -> None:
        self._described = kek
        self._resources = resources

    @without_locals
    def describe_kek(self) -> KekInfo:
        """Ask the KMS for the KEK that wraps: its name, its newest version and how it wraps.

        Raises:
            OperationError: the KMS refused or failed, or has no such KEK.
        """
        return self._described.describe_kek()

    @without_locals
    def close(self) -> None:
        """Close the backends; a second time does nothing."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: connections and keys stay in their process."""
        name = type(self).__name__
        raise TypeError(f"a {name} cannot be pickled; open it in the process that uses it")
