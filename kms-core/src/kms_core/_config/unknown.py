"""Refuses names that are not known, without showing what could be a secret."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from kms_core.errors import ConfigError


def refuse_unknown(where: str, thing: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Refuse the first name that is not known.

    Args:
        where: what holds the names, for the message.
        thing: what is counted, such as ``parameter``.
        names: what the user wrote. One is shown only where it resembles a known one: it may be a
            piece of a secret that held an unescaped ``&``, or that came before an equals sign.
        known: what may stand there.

    Raises:
        ConfigError: a name is not known.
    """
    for _, problem in find_unknown(where, thing, names, known):
        raise ConfigError(problem)


def find_unknown(
    where: str, thing: str, names: Iterable[str], known: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """All names that are not known, each with what :func:`refuse_unknown` would say of it."""
    for position, name in enumerate(names, 1):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"{name!r}; did you mean {near[0]!r}?" if near else "unknown;"
            takes = ", ".join(sorted(known)) or f"no {thing}s"
            yield name, f"{where}: {thing} {position} is {hint} it takes {takes}"
