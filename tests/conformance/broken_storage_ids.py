"""Storages with one defect each, about ids and listing."""

from __future__ import annotations

import fnmatch
import posixpath
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, unquote

from kms_core import UnavailableError
from kms_core.backend import StoredRecord, hookimpl
from tests.conformance.small_store import SmallStorage


class IgnoresCase(SmallStorage):
    breaks = ("test_strange_ids_are_distinct",)

    def key(self, dek_id: str) -> str:
        return dek_id.lower()


class NormalisesIds(SmallStorage):
    breaks = ("test_strange_ids_are_distinct",)

    def key(self, dek_id: str) -> str:
        return unicodedata.normalize("NFC", dek_id)


class TakesPaths(SmallStorage):
    breaks = ("test_strange_ids_are_distinct",)

    def key(self, dek_id: str) -> str:
        return posixpath.normpath(dek_id)


class StripsIds(SmallStorage):
    breaks = ("test_strange_ids_are_distinct",)

    def key(self, dek_id: str) -> str:
        return dek_id.strip(" ")


class UnescapesIds(SmallStorage):
    breaks = ("test_strange_ids_are_distinct",)

    def key(self, dek_id: str) -> str:
        return unquote(dek_id)


class CutsLongIds(SmallStorage):
    breaks = ("test_strange_ids_are_listed",)

    def key(self, dek_id: str) -> str:
        return dek_id.encode()[:250].decode(errors="ignore")


class ListsEscapedIds(SmallStorage):
    breaks = ("test_strange_ids_are_listed",)

    def ids(self, prefix: str) -> Iterator[str]:
        return map(quote, super().ids(prefix))


class ListsItsLock(SmallStorage):
    breaks = ("test_empty_store",)

    def ids(self, prefix: str) -> Iterator[str]:
        yield ".lock"
        yield from super().ids(prefix)


class ListsFirstPage(SmallStorage):
    breaks = ("test_pages",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i, _ in zip(super().ids(prefix), range(20), strict=False))


class ListsThreePages(SmallStorage):
    breaks = ("test_pages",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i, _ in zip(super().ids(prefix), range(60), strict=False))


class TakesALostPageForTheLast(SmallStorage):
    breaks = ("test_lost_page[is dropped before the request]", "test_lost_page[answers HTTP 503]")

    def ids(self, prefix: str) -> Iterator[str]:
        ids = list(super().ids(prefix))
        yield from ids[:20]
        with suppress(UnavailableError):
            self.reach()
            yield from ids[20:]


class TakesAnyObjectForTheLastPage(SmallStorage):
    breaks = ("test_lost_page[answers an empty JSON object]",)

    def ids(self, prefix: str) -> Iterator[str]:
        ids = list(super().ids(prefix))
        yield from ids[:20]
        if not self.service.address or self.ask("more") == "more":
            yield from ids[20:]

    def check_answer(self, text: str, answer: str) -> None:
        if answer != "{}":
            super().check_answer(text, answer)


class TakesAnyObjectForAnEmptyStore(SmallStorage):
    breaks = ("test_lost_first_page",)

    def ids(self, prefix: str) -> Iterator[str]:
        if self.service.address and self.ask("ids") == "{}":
            return
        yield from super().ids(prefix)

    def check_answer(self, text: str, answer: str) -> None:
        if answer != "{}":
            super().check_answer(text, answer)


class ListsPagesTwice(SmallStorage):
    breaks = ("test_pages",)

    def ids(self, prefix: str) -> Iterator[str]:
        yield from super().ids(prefix)
        yield from list(super().ids(prefix))[20:]


class TakesAnIdForAPrefix(SmallStorage):
    """Asks for the next page behind all that the last id begins."""

    breaks = ("test_pages",)

    def ids(self, prefix: str) -> Iterator[str]:
        left = sorted(super().ids(prefix))
        while left:
            yield from left[:20]
            last = left[19:20]
            left = [i for i in left[20:] if not i.startswith(last[0])]


class EndsAtAForeignName(SmallStorage):
    breaks = ("test_foreign_names",)

    def ids(self, prefix: str) -> Iterator[str]:
        for name in sorted([*super().ids(prefix), *self.service.foreign]):
            if name in self.service.foreign:
                return
            yield name


class EndsAtAPageOfForeignNames(SmallStorage):
    breaks = ("test_foreign_names",)

    def ids(self, prefix: str) -> Iterator[str]:
        names = sorted([*super().ids(prefix), *self.service.foreign])
        for start in range(0, len(names), 20):
            page = [name for name in names[start : start + 20] if name not in self.service.foreign]
            if not page:
                return
            yield from page


class ListsForeignNames(SmallStorage):
    breaks = ("test_foreign_names",)

    def ids(self, prefix: str) -> Iterator[str]:
        yield from super().ids(prefix)
        yield from (name for name in self.service.foreign if name.startswith(prefix))


class TakesPatterns(SmallStorage):
    breaks = ("test_prefix",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i in super().ids("") if fnmatch.fnmatchcase(i, prefix + "*"))


class TakesFolders(SmallStorage):
    breaks = ("test_prefix",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i in super().ids("") if i == prefix or i.startswith(prefix + "/"))


class ForgetsPrefix(SmallStorage):
    breaks = ("test_prefix",)

    def ids(self, prefix: str) -> Iterator[str]:
        return super().ids("")


class ListsWhatMoves(SmallStorage):
    breaks = ("test_listing_while_records_change",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i in self.service.records if i.startswith(prefix))


class ListsWithoutAsking(SmallStorage):
    breaks = ("test_unreachable", "test_forbidden")

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i in list(self.service.records) if i.startswith(prefix))


class CountsIdsToPassOver(SmallStorage):
    breaks = ("test_pages",)

    def ids(self, prefix: str) -> Iterator[str]:
        passed = 0
        while page := sorted(super().ids(prefix))[passed : passed + 5]:
            yield from page
            passed += len(page)


class EndsRangeAtAscii(SmallStorage):
    breaks = ("test_prefix",)

    def ids(self, prefix: str) -> Iterator[str]:
        return (i for i in super().ids(prefix) if not prefix or i < f"{prefix}\x7f")


class ListsOverItsOnlyConnection(SmallStorage):
    breaks = ("test_listing_while_records_change",)
    busy = False

    def ids(self, prefix: str) -> Iterator[str]:
        self.busy = True
        yield from super().ids(prefix)
        self.busy = False

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        if self.busy:
            raise UnavailableError("all connections are busy")
        return super().load_record(dek_id)
