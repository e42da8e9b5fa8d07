"""Which ids a storage tells apart, and which it lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import ClassVar

import pytest

from kms_core._racing import RACERS
from kms_core._values import StoredRecord
from kms_core.backend.hookspecs import StorageSpec
from kms_core.errors import KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, answered, expect, skip_without
from kms_core.testing._harness.harness import StorageHarness
from kms_core.testing._harness.wire import ANY_JSON, Fault, FaultyWire
from kms_core.testing.checks.strange_ids import STRANGE_IDS
from kms_core.testing.checks.wire import FAILED, patiently

_PREFIXES = ("", "a", "A", "a/", "a%", "a_", "a*", "a.", "a\\", "[", "(", "^a", "%", "\u00e9", "e")
_TAILS = ("", "b", "/b", "%", "_", "%b", "_b", "\u00e9", "\U0001f511")
_PAGES, _MOST = 4, 1000
_FAULTS: tuple[Fault, ...] = ("is dropped before the request", "answers HTTP 503", ANY_JSON)
_NOBODYS = ("a/b/c/d", "b", "$", "a" * 256)
_FOREIGN_NAMES = (
    *("0", "README", "lost+found", "a.json.tmp", "a.json~", "b.json ", "dek-", "dek-%zz.json"),
    *("%zz.json", "~zz.json", "~2", "%", "m.txt", ".json", "\u00e9.json", "zz~"),
)


class StorageListingChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about ids."""

    page_size: ClassVar[int] = 1000
    """How many ids the service lists at a time. At most 1000 and a few more are created: five pages
    of 250 or fewer, but two of 1000. Make your page small in the test, so that its end comes often.
    """

    @clause(StorageSpec)
    def test_strange_ids_are_distinct(self, fresh: Fresh) -> None:
        """Two ids that differ in anything are two records, and none is ever a path.

        Cure: name records by ``encode_object_name``, or by the bytes of the id in a binary
        column.
        """
        _create_all(fresh(), STRANGE_IDS)
        client = fresh()
        for dek_id in STRANGE_IDS:
            stored: StoredRecord = client.answer("load_record", dek_id=dek_id)
            expect(f"load_record of {dek_id!r}: whose data it is", dek_id.encode(), stored.data)

    @clause(StorageSpec.list_dek_ids)
    def test_strange_ids_are_listed(self, fresh: Fresh) -> None:
        """Yields each dek_id exactly as it was given.

        Cure: decode the name by the inverse of what encoded it, ``decode_object_name``, and
        list nothing else.
        """
        _create_all(fresh(), STRANGE_IDS)
        _lists("", STRANGE_IDS, fresh().list_ids())

    @clause(StorageSpec.list_dek_ids)
    def test_empty_store(self, fresh: Fresh) -> None:
        """Of an empty store yields nothing.

        Cure: yield nothing where the service lists nothing, also if the folder or table has
        just been made.
        """
        expect("list_dek_ids of an empty store", [], fresh().list_ids())

    @pytest.fixture
    def many_ids(self) -> None:
        """Nothing: an empty store of the author's own may be filled."""

    @pytest.fixture
    def ids_of_pages(self, fresh: Fresh) -> list[str]:
        """Some pages of ids that are stored, and with them another one.

        Every other id extends the one before it, so that one of two listings has such a pair on
        either side of its page's end, where an id that is taken for a prefix loses those behind it.
        """
        pages = max(1, min(_PAGES, _MOST // self.page_size))
        ids = [f"page/{n // 2:04}{'.json' * (n % 2)}" for n in range(pages * self.page_size + 5)]
        client = fresh()
        _in_threads(partial(_create, client), ids)
        _create_all(client, ["other"])
        return ids

    @clause(StorageSpec.list_dek_ids)
    @pytest.mark.usefixtures("many_ids")
    def test_pages(self, fresh: Fresh, ids_of_pages: Sequence[str]) -> None:
        """Yields each dek_id once, also those beyond the first page, and while records go.

        Cure: follow the mark of the next page that the service returns until it returns none, or
        go on behind the last id; a number of ids to pass over is wrong once one of them has gone.
        """
        _lists("", [*ids_of_pages, "other"], fresh().list_ids())
        _lists("page/", ids_of_pages, fresh().list_ids("page/"))
        _go_while_listed(fresh(), set(ids_of_pages))

    @pytest.mark.parametrize("fault", _FAULTS)
    @clause(StorageSpec.list_dek_ids)
    def test_lost_page(
        self, wire: FaultyWire, through: Fresh, ids_of_pages: Sequence[str], fault: Fault
    ) -> None:
        """Over a wire that fails after the first page raises an error, or yields all ids.

        Who rewraps all that is listed, and then deletes the old KEK, would lose the others.

        Cure: let what the service's failure raises out of every page, and end only at an answer
        that says itself that it is the last one: a field that has to be there.
        """
        client = through()

        def begin() -> tuple[str, Iterator[str]]:
            listing = client.call("list_dek_ids", prefix="page/")
            return next(listing), listing

        told = f"list_dek_ids over a wire that {fault} after the first page"
        first, listing = patiently("list_dek_ids", begin, wire.patience)
        seen = [first]
        wire.spoil(fault)
        with suppress(*((KmsError,) if fault == ANY_JSON else FAILED)):
            seen += listing
            expect(f"{told}: ids that it left out", [], sorted({*ids_of_pages} - {*seen}))

    @clause(StorageSpec.list_dek_ids)
    def test_lost_first_page(self, fresh: Fresh, wire: FaultyWire, through: Fresh) -> None:
        """An empty JSON object in place of the first page is not taken for a store without ids.

        Cure: refuse an answer without what a listing always has: its list, or its kind.
        """
        fresh().answer("create_record", dek_id="id", data=b"data")
        client = through()
        told = f"list_dek_ids over a wire that {ANY_JSON}"
        ask = partial(client.finish, "list_dek_ids", prefix="")
        listed = patiently("list_dek_ids", ask, wire.patience)
        expect("list_dek_ids over a sound wire", ["id"], listed)
        wire.spoil(ANY_JSON)
        with suppress(KmsError):
            expect(f"{told}: ids", ["id"], [*client.call("list_dek_ids", prefix="")])

    @clause(StorageSpec.list_dek_ids)
    @pytest.mark.usefixtures("many_ids")
    def test_foreign_names(self, fresh: Fresh, harness: StorageHarness) -> None:
        """What others keep in the store hides no dek_id, and is none.

        Cure: pass over a name that is no encoded dek_id, and go on.
        """
        plant = skip_without(harness, "plant_name")
        _in_threads(plant, [f"0-foreign-{n:04}" for n in range(self.page_size)])  # a page of them
        for name in _FOREIGN_NAMES:
            plant(name)
        client = fresh()
        _create_all(client, ["a", "zz"])
        listed = client.list_ids()
        expect("list_dek_ids: ids that it left out", [], sorted({"a", "zz"} - {*listed}))
        for dek_id in listed:  # a name may be that of a record by chance
            client.answer("load_record", f"of {dek_id!r}, which is listed", dek_id=dek_id)

    @clause(StorageSpec.list_dek_ids)
    def test_prefix(self, fresh: Fresh) -> None:
        """Takes the prefix literally: no pattern, no path, no other case.

        Cure: compare the decoded id by ``startswith``; let the service filter only by
        ``encode_object_prefix``.
        """
        ids = {prefix + tail for prefix in _PREFIXES for tail in _TAILS} - {""}
        _create_all(fresh(), ids)
        client = fresh()
        for prefix in (*_PREFIXES, *_NOBODYS):
            expected = [dek_id for dek_id in ids if dek_id.startswith(prefix)]
            _lists(prefix, expected, client.list_ids(prefix))

    @clause(StorageSpec.list_dek_ids)
    def test_list_again(self, fresh: Fresh) -> None:
        """Lists what is there now, also where this client has listed before.

        Cure: keep no listing; ask the service each time.
        """
        reader, writer = fresh(), fresh()
        _lists("", [], reader.list_ids())
        revision = writer.answer("create_record", dek_id="id", data=b"data")
        _lists("", ["id"], reader.list_ids())
        writer.answer("delete_record", dek_id="id", revision=revision)
        _lists("", [], reader.list_ids())

    @clause(StorageSpec.list_dek_ids)
    def test_listing_while_records_change(self, fresh: Fresh) -> None:
        """Reads on as it is asked; what others do meanwhile stops nothing.

        Cure: list page by page, hold no connection between two pages, and pass over what is gone
        meanwhile.
        """
        client, kept = fresh(), [f"kept-{n}" for n in range(20)]
        _create_all(client, kept)
        gone = client.answer("create_record", dek_id="gone", data=b"data")
        listing = client.call("list_dek_ids", prefix="")
        seen = [answered("list_dek_ids", lambda: next(listing))]
        client.answer("load_record", "while this client lists", dek_id="kept-0")
        fresh().answer("delete_record", dek_id="gone", revision=gone)
        _create_all(fresh(), ["new-1", "new-2"])
        seen += answered("list_dek_ids while records change", lambda: list(listing))
        _lists("", kept, [dek_id for dek_id in seen if dek_id.startswith("kept-")])


def _go_while_listed(client: Client, ids: set[str]) -> None:
    """List, and delete the first ids as soon as they are listed."""
    listing = client.call("list_dek_ids", prefix="page/")
    gone = [answered("list_dek_ids", lambda: next(listing)) for _ in range(5)]
    for dek_id in gone:
        stored = client.answer("load_record", dek_id=dek_id)
        client.answer("delete_record", dek_id=dek_id, revision=stored.revision)
    rest = answered("list_dek_ids while records go", lambda: list(listing))
    expect("list_dek_ids while records go: ids that it left out", [], sorted(ids - {*gone, *rest}))


def _create(client: Client, dek_id: str) -> None:
    client.answer("create_record", f"of {dek_id!r}", dek_id=dek_id, data=dek_id.encode())


def _create_all(client: Client, ids: Iterable[str]) -> None:
    for dek_id in ids:
        _create(client, dek_id)


def _in_threads(call: Callable[[str], object], names: Iterable[str]) -> None:
    with ThreadPoolExecutor(RACERS) as pool:
        list(pool.map(call, names))


def _lists(
    prefix: str, expected: Sequence[str], seen: Sequence[str], hook: str = "list_dek_ids"
) -> None:
    clause = f"{hook} with prefix {prefix!r}"
    expect(f"{clause}: ids that it left out", [], sorted(set(expected) - set(seen)))
    expect(f"{clause}: ids that should not be there", [], sorted(set(seen) - set(expected)))
    expect(f"{clause}: how many it yields, each once", len(expected), len(seen))
