"""What the optional hooks promise, where a backend has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from functools import partial
from secrets import token_bytes

import pytest

from kms_core._values import KekInfo, Risk, WrappedDek
from kms_core.backend.hookspecs import KekSpec, StorageSpec
from kms_core.errors import DekNotFoundError, UnwrapError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import (
    Client,
    Fresh,
    answered,
    expect,
    refused,
    skip_without,
)
from kms_core.testing._harness.harness import KekHarness, StorageHarness
from kms_core.testing.checks.kek_integrity import CONTEXT


def _skip_unless_offered(client: Client, hook: str) -> None:
    if not client.bound.offers(hook):
        pytest.skip(f"{hook} is optional, and this backend has none")


def _names(kek: KekInfo) -> tuple[str, str, str]:
    return kek.kek_id, kek.kek_version, kek.algorithm


class KekOptionalChecks:
    """The part of :class:`~kms_core.testing.KekConformance` about optional hooks."""

    @clause(KekSpec.wrap_dek_under)
    def test_wrap_under(self, fresh: Fresh) -> None:
        """Wraps under the version that it is given, as wrap_dek would.

        Cure: wrap with that version's name, and return it as kek_version.
        """
        client, dek = fresh(), token_bytes(32)
        _skip_unless_offered(client, "wrap_dek_under")
        kek: KekInfo = client.answer("describe_kek")
        wrapped = client.answer("wrap_dek_under", dek=dek, context=CONTEXT, kek=kek)
        said = (wrapped.kek_id, wrapped.kek_version, wrapped.algorithm)
        expect("wrap_dek_under: KEK, version and algorithm", _names(kek), said)
        seen = fresh().answer("unwrap_dek", wrapped=wrapped, context=CONTEXT)
        expect("unwrap_dek of what wrap_dek_under returned", dek, seen)

    @clause(KekSpec.rewrap_dek)
    def test_rewrap(self, fresh: Fresh, harness: KekHarness) -> None:
        """After a rotation, gives the same DEK under the newest version.

        Cure: have the KMS wrap what it unwraps under ``context``, and return what it says of KEK,
        version and algorithm.
        """
        client, dek = fresh(), token_bytes(32)
        _skip_unless_offered(client, "rewrap_dek")
        wrapped: WrappedDek = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        skip_without(harness, "rotate")()
        client = fresh()
        again: WrappedDek = client.answer("rewrap_dek", wrapped=wrapped, context=CONTEXT)
        changed = again.ciphertext != wrapped.ciphertext
        expect("rewrap_dek after a rotation: whether it wraps anew", expected=True, seen=changed)
        said = (again.kek_id, again.kek_version, again.algorithm)
        expect("rewrap_dek: names", _names(client.answer("describe_kek")), said)
        for name, one in {"rewrap_dek returned": again, "was there before": wrapped}.items():
            seen = fresh().answer("unwrap_dek", f"of what {name}", wrapped=one, context=CONTEXT)
            expect(f"unwrap_dek of what {name}", dek, seen)

    @clause(KekSpec.rewrap_dek)
    def test_rewrap_of_the_newest(self, fresh: Fresh) -> None:
        """Returns what it is given if the newest version wrapped it already.

        Cure: compare the version that wrapped with the one that would wrap now, and return
        ``wrapped`` itself if it is the same.
        """
        client = fresh()
        _skip_unless_offered(client, "rewrap_dek")
        wrapped = client.answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
        again = client.answer("rewrap_dek", wrapped=wrapped, context=CONTEXT)
        expect("rewrap_dek of what the newest version wrapped", wrapped, again)

    @clause(KekSpec.rewrap_dek)
    def test_rewrap_under_another_context(self, fresh: Fresh) -> None:
        """Rewraps nothing under another context than it was wrapped under.

        Cure: unwrap under ``context`` first, and let its refusal out as UnwrapError.
        """
        client = fresh()
        _skip_unless_offered(client, "rewrap_dek")
        wrapped = client.answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
        when = "under another context"
        client.refuse(UnwrapError, "rewrap_dek", when, wrapped=wrapped, context={})

    @clause(KekSpec.find_key_material)
    def test_key_material(self, fresh: Fresh, harness: KekHarness) -> None:
        """Tells of each wrapped DEK the version that was the newest when it was wrapped.

        Cure: return what the KMS says of the version as it unwraps, and in describe_kek what it
        says of the newest one.
        """
        client = fresh()
        _skip_unless_offered(client, "find_key_material")
        before = client.answer("describe_kek").key_material
        wrapped = client.answer("wrap_dek", dek=token_bytes(32), context=CONTEXT)
        find = partial(client.answer, "find_key_material", wrapped=wrapped, context=CONTEXT)
        expect("find_key_material of what was just wrapped", before, find())
        skip_without(harness, "rotate")()
        expect("find_key_material after a rotation", before, find("after a rotation"))
        changed = fresh().answer("describe_kek").key_material != before
        expect("describe_kek after a rotation: another key_material", expected=True, seen=changed)

    @clause(KekSpec.rotate_kek)
    def test_rotate(self, fresh: Fresh, harness: KekHarness) -> None:
        """The version that it returns is a new one and wraps; the older ones unwrap.

        Cure: make the version durable first, and use it in this client too.
        """
        client, dek = fresh(), token_bytes(32)
        _skip_unless_offered(client, "rotate_kek")
        skip_without(harness, "rotate")  # or it may be a KEK that is in use
        old: WrappedDek = client.answer("wrap_dek", dek=dek, context=CONTEXT)
        rotated = client.answer("rotate_kek")
        changed = old.kek_version != rotated.kek_version
        expect("rotate_kek: whether it changes kek_version", expected=True, seen=changed)
        for one in (client, fresh()):
            expect("describe_kek after rotate_kek", rotated, one.answer("describe_kek"))
            new: WrappedDek = one.answer("wrap_dek", dek=dek, context=CONTEXT)
            expect("wrap_dek after rotate_kek: kek_version", rotated.kek_version, new.kek_version)
            for wrapped in (old, new):
                seen = one.answer("unwrap_dek", wrapped=wrapped, context=CONTEXT)
                expect("unwrap_dek after rotate_kek", dek, seen)

    @clause(KekSpec.rotation_command)
    def test_rotation_command(self, fresh: Fresh) -> None:
        """Is one line that a POSIX shell can read.

        Cure: join the words by ``shlex.join``.
        """
        client = fresh()
        _skip_unless_offered(client, "rotation_command")
        command: str = client.answer("rotation_command")
        expect("rotation_command: its lines", 1, len(command.splitlines()))
        expect("rotation_command: whether its quotes end", expected=True, seen=_is_closed(command))

    @clause(KekSpec.unwrap_foreign)
    def test_unwrap_foreign(self, fresh: Fresh, harness: KekHarness) -> None:
        """Unwraps what another program had the KMS wrap, by the version that it names or none.

        Cure: have the KMS unwrap it without any context, and return the bytes as they come.
        """
        client, key = fresh(), token_bytes(32)
        _skip_unless_offered(client, "unwrap_foreign")
        ciphertext, version = skip_without(harness, "wrap_foreign")(key)
        for named in {version, ""}:
            when = f"with version {named!r}"
            arguments = {"dek_id": "key-a", "ciphertext": ciphertext, "kek_version": named}
            seen = client.answer("unwrap_foreign", when, **arguments)
            expect(f"unwrap_foreign {when}", key, seen[:32])

    @clause(KekSpec.unwrap_foreign)
    def test_altered_foreign(self, fresh: Fresh, harness: KekHarness) -> None:
        """Unwraps nothing that was altered.

        Cure: let the KMS's refusal out as UnwrapError.
        """
        client = fresh()
        _skip_unless_offered(client, "unwrap_foreign")
        wrap = skip_without(harness, "wrap_foreign")
        ciphertext, version = wrap(token_bytes(32))
        altered = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
        arguments = {"dek_id": "key-a", "ciphertext": altered, "kek_version": version}
        client.refuse(UnwrapError, "unwrap_foreign", "of what was altered", **arguments)

    @clause(KekSpec.check_health)
    def test_health(self, fresh: Fresh) -> None:
        """Answers where the KMS does.

        Cure: ask for something cheap that the credentials may do, such as a description.
        """
        client = fresh()
        _skip_unless_offered(client, "check_health")
        client.answer("check_health")

    @clause(KekSpec.find_risks)
    def test_risks(self, fresh: Fresh) -> None:
        """Says of each risk a code that programs may go by, what may happen, and what to do.

        Cure: write the code in capital letters with dashes, and fill the problem and the cure.
        """
        client = fresh()
        _skip_unless_offered(client, "find_risks")
        _expect_whole(client.answer("find_risks"))


def _expect_whole(risks: Sequence[Risk]) -> None:
    for risk in risks:
        whole = bool(_CODE.fullmatch(risk.code) and risk.problem.strip() and risk.cure.strip())
        expect(f"find_risks: {risk.code!r} with problem and cure", expected=True, seen=whole)
    codes = [risk.code for risk in risks]
    expect("find_risks: each code once", len(codes), len({*codes}))


def _is_closed(command: str) -> bool:
    try:
        return bool(shlex.split(command))
    except ValueError:
        return False


class StorageOptionalChecks:
    """The part of :class:`~kms_core.testing.StorageConformance` about optional hooks."""

    @clause(StorageSpec.count_old_records)
    def test_no_old_records(self, fresh: Fresh) -> None:
        """Of records that nobody has replaced or deleted counts none.

        Cure: count no state of a record that ``load_record`` would return.
        """
        client = fresh()
        _skip_unless_offered(client, "count_old_records")
        for dek_id in _IDS:
            client.answer("create_record", dek_id=dek_id, data=b"data")
        expect("count_old_records of new records", 0, client.answer("count_old_records", prefix=""))

    @clause(StorageSpec.count_old_records)
    def test_old_records(self, fresh: Fresh, harness: StorageHarness) -> None:
        """Counts each state that was replaced, and each that was deleted.

        Cure: ask the service for old and for deleted versions too, on every page, and count those
        that are not current.
        """
        client = fresh()
        _skip_unless_offered(client, "count_old_records")
        skip_without(harness, "keep_old_records")()
        made = {i: client.answer("create_record", dek_id=i, data=b"1") for i in (*_IDS, "other")}
        client.answer("delete_record", dek_id=_IDS[0], revision=made.pop(_IDS[0]))
        for data in (b"2", b"3"):
            for i, revision in made.items():
                made[i] = client.answer("replace_record", dek_id=i, data=data, revision=revision)
        count = partial(client.answer, "count_old_records")
        expect("count_old_records with prefix ''", 1 + 2 * len(_IDS), count(prefix=""))
        expect("count_old_records with prefix 'page/'", 2 * len(_IDS) - 1, count(prefix="page/"))
        expect("list_dek_ids where old records are kept", sorted(made), sorted(client.list_ids()))

    @clause(StorageSpec.list_objects)
    def test_objects_of_others(self, fresh: Fresh, harness: StorageHarness) -> None:
        """Lists what others stored by the names that they gave, and reads it by these.

        Cure: neither encode nor decode a name, and add nothing to it but the folder that the
        configuration has.
        """
        client = fresh()
        _skip_unless_offered(client, "list_objects")
        plant = skip_without(harness, "plant_object")
        for name in _OBJECTS:
            plant(name, name.encode())
        clause = "list_objects with prefix 'key-'"
        listed = answered(clause, lambda: client.finish("list_objects", prefix="key-"))
        expect(clause, sorted(_OBJECTS[1:]), sorted(listed))
        for name in _OBJECTS:
            seen = client.answer("load_object", f"of {name!r}", name=name)
            expect(f"load_object of {name!r}", name.encode(), seen)

    @clause(StorageSpec.load_object)
    def test_missing_object(self, fresh: Fresh, harness: StorageHarness) -> None:
        """Tells a missing object from one that is there.

        Cure: raise DekNotFoundError where the store says that there is none.
        """
        client = fresh()
        _skip_unless_offered(client, "load_object")
        skip_without(harness, "plant_object")("key-a.json", b"of key-a")
        call = partial(client.call, "load_object", name="key-a")
        refused(DekNotFoundError, "load_object of what is not there", call)

    @clause(StorageSpec.check_health)
    def test_health(self, fresh: Fresh) -> None:
        """Answers where the store does, and changes nothing.

        Cure: ask for something cheap that changes nothing, such as a description or a
        listing of one.
        """
        client = fresh()
        _skip_unless_offered(client, "check_health")
        client.answer("check_health")
        expect("list_dek_ids after check_health", [], client.list_ids())

    @clause(StorageSpec.find_risks)
    def test_risks(self, fresh: Fresh) -> None:
        """Says of each risk a code that programs may go by, what may happen, and what to do.

        Cure: write the code in capital letters with dashes, and fill the problem and the cure.
        """
        client = fresh()
        _skip_unless_offered(client, "find_risks")
        client.answer("create_record", dek_id="id", data=b"data")
        _expect_whole(client.answer("find_risks", dek_id="id"))
        expect("list_dek_ids after find_risks", ["id"], client.list_ids())


_CODE = re.compile("[A-Z]+(-[A-Z]+)+")
_IDS = [f"page/{number}" for number in range(30)]
_OBJECTS = ("other", "key-a", "key-a.json", "key-~41", "key-ü 中/+%")
