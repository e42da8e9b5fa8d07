"""Takes the words of an SDK out of the chain of an error.

What a transport or a chain of credentials says may hold a header, a token or a whole key file, and
an error of an SDK may hold its request. So each is replaced by its class's name and its lines.
"""

from __future__ import annotations

from kms_core.errors import KmsError


class ForeignError(Exception):
    """Stands in a chain for what somebody else raised: the name of its class, and where."""


def hide_foreign_errors(error: KmsError, handled: BaseException | None) -> None:
    """Replace what led to the error, as far as it is not an error of this library.

    Args:
        error: what leaves a backend.
        handled: what the caller was handling before, which stays.
    """
    _replace_links(error, {id(handled): handled, id(error): error})


def _replace_links(error: BaseException, known: dict[int, BaseException | None]) -> None:
    hidden = error.__suppress_context__  # which setting a cause changes
    error.__cause__ = _stand_in(error.__cause__, known)
    error.__context__ = _stand_in(error.__context__, known)
    error.__suppress_context__ = hidden


def _stand_in(
    error: BaseException | None, known: dict[int, BaseException | None]
) -> BaseException | None:
    if error is None or id(error) in known:
        return None if error is None else known[id(error)]
    shown = error if isinstance(error, KmsError) else _name(error)
    known[id(error)] = shown
    _replace_links(shown, known)
    return shown


def _name(error: BaseException) -> ForeignError:
    kind = type(error)
    place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    named = ForeignError(place + kind.__qualname__)
    named.__traceback__ = error.__traceback__
    named.__cause__, named.__context__ = error.__cause__, error.__context__
    named.__suppress_context__ = error.__suppress_context__
    return named
