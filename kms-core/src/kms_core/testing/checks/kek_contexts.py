"""Contexts that an encoding of one's own may confuse: each is wrapped or opened as itself alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from secrets import token_bytes

from kms_core._context import encode_context
from kms_core._values import MAX_CONTEXT_SIZE, MAX_DEK_ID_SIZE, Context
from kms_core.backend.hookspecs import KekSpec
from kms_core.errors import UnwrapError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Fresh

_ID = "a/b:c,d=e;f&g|h i+j"
_ACCENTED = "volume/\u00e9"
_WAYS_TO_WRITE_IT = (
    *("\\u00e9", "u00e9", "00e9", "e9", "\\xe9", "\\303\\251", "%C3%A9", "%c3%a9", "%E9"),
    *("&#233;", "&#xe9;", "&eacute;", "=C3=A9", "\u00c3\u00a9", "\ufffd", "?", "e", ""),
)
_LONG = "a" * (MAX_DEK_ID_SIZE - 1)
_SEPARATORS = (",", ";", "&", "|", "/", ":", " ", ", ", "")
_EQUALS = ("=", ":", ": ", "/", "")


class KekContextChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about contexts that look alike."""

    @clause(KekSpec.wrap_dek)
    def test_ambiguous_contexts(self, fresh: Fresh) -> None:
        """No two contexts are one, whatever quotes, separators and escapes their values hold, and
        however long they are.

        Cure: encode the context by ``encode_context``; joined texts have more than one
        reading.
        """
        for context, others in _groups():
            client, dek = fresh(), token_bytes(32)
            wrapped = client.answer("wrap_dek", dek=dek, context=context)
            refuse = partial(client.refuse, UnwrapError, "unwrap_dek", wrapped=wrapped)
            for other in others:
                refuse(f"under {other} of what was wrapped under {context}", context=other)


def _groups() -> Iterator[tuple[Context, list[Context]]]:
    """Contexts, and to each those that it may be taken for."""
    yield {"dek_id": _ID, "size": "32"}, [*_with_other_values()]
    yield {"created": "z", "dek_id": "a", "size": "32"}, [*_merged("dek_id", "a", "size", "32")]
    yield {"created": "z", "dek_id": _ID}, [*_shifted()]
    yield {"dek_id": f"{_LONG}a"}, [{"dek_id": f"{_LONG}b"}]
    yield _largest("a"), [_largest("b")]
    yield {"dek_id": _ACCENTED, "size": "32"}, [*_written_in_ascii()]


def _with_other_values() -> Iterator[Context]:
    for size in ("032", " 32", "32 ", "32.0", "+32", "3_2"):
        yield {"dek_id": _ID, "size": size}
    for plain, escaped in ((",", "%2C"), (" ", "+"), ("+", " "), ("&", "&amp;"), ("/", "\\/")):
        yield {"dek_id": _ID.replace(plain, escaped), "size": "32"}
    for dek_id in (f" {_ID}", f"{_ID} ", f'"{_ID}"', f"'{_ID}'"):
        yield {"dek_id": dek_id, "size": "32"}


def _largest(last: str) -> Context:
    """A context as large as core lets it be, which differs in its last byte alone."""
    room = MAX_CONTEXT_SIZE - len(encode_context({"dek_id": "a", "volume": last}))
    return {"dek_id": "a", "volume": "a" * room + last}


def _written_in_ascii() -> Iterator[Context]:
    for written in _WAYS_TO_WRITE_IT:
        yield {"dek_id": _ACCENTED.replace("\u00e9", written), "size": "32"}


def _merged(first: str, value: str, second: str, rest: str) -> Iterator[Context]:
    """One entry that reads like two, of an encoding that joins them and quotes nothing."""
    for separator, equals in product(_SEPARATORS, _EQUALS):
        yield {"created": "z", first: f"{value}{separator}{second}{equals}{rest}"}
    for separator in _SEPARATORS:
        yield {"created": "z", first: f"{value}{separator}{rest}"}
    for quote, gap in product("\"'", ("", " ")):
        tail = f"{quote},{gap}{quote}{second}{quote}:{gap}{quote}{rest}"
        yield {"created": "z", first: f"{value}{tail}"}


def _shifted() -> Iterator[Context]:
    """The same keys, and a part of one value in the next, of an encoding of values alone."""
    for separator in ("/", ":", ",", "=", ";", "&", "|", " "):
        left, _, right = _ID.partition(separator)
        yield {"created": f"z{separator}{left}", "dek_id": right}
    yield {"created": f"z{_ID[0]}", "dek_id": _ID[1:]}
