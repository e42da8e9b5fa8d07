"""Reads the errors of a transport, of which each is made of another."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

_HTTPS = 443


def inner_errors(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and those that it was made of, the outer one first.

    ``requests``, ``urllib3`` and the SDKs on top of them keep them as a ``reason``, an
    ``inner_exception`` or an argument, or are raised from the operating system's, as from a
    ``ConnectionRefusedError``.
    """
    while error is not None:
        yield error
        parts = [getattr(error, "inner_exception", None), getattr(error, "reason", None)]
        parts += error.args
        parts += [error.__cause__] if isinstance(error.__cause__, OSError) else []
        error = next((part for part in parts if isinstance(part, BaseException)), None)


def find_host(error: BaseException) -> str | None:
    """The host that a connection was to lead to, or its proxy; with the port where it is not 443.

    ``urllib3`` keeps it as the ``pool`` or the connection of an error; without these, ``requests``
    keeps what was to be sent.
    """
    found = asked = None
    for inner in inner_errors(error):
        kept = vars(inner)  # an attribute of this name may be a deprecated property
        reached = kept.get("conn") or kept.get("pool")
        host, port = getattr(reached, "host", None), getattr(reached, "port", None)
        if host is not None:
            found = str(host) if port in {None, _HTTPS} else f"{host}:{port}"
        asked = asked or getattr(kept.get("request"), "url", None)
    return found or (urlsplit(str(asked)).netloc.rpartition("@")[2] or None if asked else None)
