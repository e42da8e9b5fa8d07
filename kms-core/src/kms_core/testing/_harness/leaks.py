"""Searches what others may read for key bytes and credentials, in the forms they leak in."""

from __future__ import annotations

from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from traceback import walk_tb
from typing import TypeAlias
from urllib.parse import quote

from kms_core._tracebacks import error_chain
from kms_core.testing._harness.object_graph import held_by

Secret: TypeAlias = str | bytes
Text: TypeAlias = tuple[str, str]
"""Where it was read, and what it says."""

_SHORTEST_KEY = 16
_SHORTEST_PART = 12
"""Characters of a secret that nobody writes by chance."""

_PLAIN_BASE64 = str.maketrans("-_", "+/")


def search(hook: str, texts: Iterable[Text], secrets: Sequence[Secret]) -> None:
    """Fail if a text holds a secret in any form. The message tells which one, and not its value."""
    wanted = {
        part: f"{which} secret {number} of {len(secrets)} there {form}"
        for number, secret in enumerate(secrets, 1)
        for value in (secret, *_decoded(secret))
        for form, text in reversed(_forms(value).items())
        for part, which in _parts(text)
    }
    for where, text in texts:
        for part, told in wanted.items():
            if part in text:
                raise AssertionError(
                    f"{hook}: expected no key bytes and no credential in {where}, saw {told}"
                )


def error_texts(error: BaseException) -> Iterator[Text]:
    """What the error and all that led to it say."""
    for link in error_chain(error):
        name = type(link).__name__
        yield f"the text of {name}", str(link)
        yield f"the repr of {name}", repr(link)
        yield f"the arguments of {name}", repr(link.args)
        yield f"the notes of {name}", repr(getattr(link, "__notes__", []))


def carried_texts(error: BaseException) -> Iterator[Text]:
    """What an error reporter shows besides: what attributes hold, and each frame's locals."""
    for link in error_chain(error):
        name = type(link).__name__
        yield from ((f"attribute {k} of {name}", repr(v)) for k, v in vars(link).items())
        yield from held_by(link, name)
        for frame, line in walk_tb(link.__traceback__):
            where = f"{frame.f_code.co_filename}:{line}, carried by {name}"
            yield from ((f"local {k} at {where}", repr(v)) for k, v in frame.f_locals.items())


def _parts(text: str) -> Iterator[Text]:
    """What shows it to a reader: its beginning or its end is enough to find the rest faster."""
    size = max(_SHORTEST_PART, len(text) // 3)
    if len(text) < size:
        yield text, "all of"
        return
    yield text[-size:], "the end of"
    yield text[:size], "the beginning of"


def _decoded(secret: Secret) -> Iterator[bytes]:
    """The key itself, of which the configuration has the text."""
    if isinstance(secret, str):
        with suppress(ValueError):
            key = b64decode(secret.translate(_PLAIN_BASE64), validate=True)
            if len(key) >= _SHORTEST_KEY:
                yield key
        with suppress(ValueError):
            key = bytes.fromhex(secret)
            if len(key) >= _SHORTEST_KEY:
                yield key


def _forms(secret: Secret) -> dict[str, str]:
    raw = secret.encode() if isinstance(secret, str) else secret
    return {
        "as it is": raw.decode("latin-1") if isinstance(secret, bytes) else secret,
        "as bytes are shown": repr(raw)[2:-1],
        "as a list of numbers": repr(list(raw))[1:-1],
        "in hex": raw.hex(),
        "in upper-case hex": raw.hex().upper(),
        **{f"in base64, {n} bytes on": _inside(b64encode, raw, n) for n in range(3)},
        **{f"in base64url, {n} bytes on": _inside(urlsafe_b64encode, raw, n) for n in range(3)},
        "percent-encoded": quote(raw, safe=""),
    }


def _inside(encode: Callable[[bytes], bytes], raw: bytes, before: int) -> str:
    """What encodes these bytes alone where others stand around them, as in ``me:key``."""
    start, rest = -(-before * 4 // 3), (before + len(raw)) % 3
    text = encode(bytes(before) + raw).decode().rstrip("=")
    return text[start : len(text) - 1 if rest else None]
