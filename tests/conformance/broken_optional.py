"""KEKs and storages with a defect of an optional hook each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kms_core import KekInfo, KmsError, UnavailableError, UnwrapError
from kms_core.backend import (
    Context,
    Risk,
    WrappedDek,
    decode_object_name,
    hookimpl,
)
from tests.conformance.small_kms import ALGORITHM, SmallKek
from tests.conformance.small_store import SmallStorage


class KeepsOldContext(SmallKek):
    breaks = ("test_rewrap",)

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        return wrapped


class RewrapsOnceMore(SmallKek):
    breaks = ("test_rewrap_of_the_newest",)

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        return self.wrap_dek(self.unwrap_dek(wrapped, context), context)


class WrapsUnderTheFirstVersion(SmallKek):
    breaks = ("test_wrap_under",)

    @hookimpl
    def wrap_dek_under(self, dek: bytes, context: Context, kek: KekInfo) -> WrappedDek:
        return replace(super().wrap_dek_under(dek, context, kek), kek_version="0")


class TellsTheNewestMaterial(SmallKek):
    breaks = ("test_key_material",)

    @hookimpl
    def find_key_material(self, wrapped: WrappedDek, context: Context) -> str:
        return self.describe_kek().key_material


class RewrapsAnything(SmallKek):
    breaks = ("test_rewrap_under_another_context",)

    @hookimpl
    def rewrap_dek(self, wrapped: WrappedDek, context: Context) -> WrappedDek:
        try:
            return super().rewrap_dek(wrapped, context)
        except UnwrapError:
            return self.wrap_dek(bytes(32), context)


class RotatesNothing(SmallKek):
    breaks = ("test_rotate",)

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        return self.describe_kek()


class PromisesAVersion(SmallKek):
    breaks = ("test_rotate",)

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        kek = self.describe_kek()
        return replace(kek, kek_version=str(int(kek.kek_version) + 1))


class RotatesAwayTheOld(SmallKek):
    breaks = ("test_rotate",)

    @hookimpl
    def rotate_kek(self) -> KekInfo:
        rotated = super().rotate_kek()
        self.service.keks[self.name][0] = bytes(32)
        return rotated


class QuotesNoWord(SmallKek):
    breaks = ("test_rotation_command",)

    @hookimpl
    def rotation_command(self) -> str:
        return "small rotate 'my KEK"


class GivesTwoCommands(SmallKek):
    breaks = ("test_rotation_command",)

    @hookimpl
    def rotation_command(self) -> str:
        return "small rotate one\nsmall restart"


class TellsOtherKekAsAltered(SmallKek):
    breaks = ("test_other_kek", "test_name_of_the_other_kek", "test_other_field")

    def refusal(self, error: KmsError) -> KmsError:
        return UnwrapError()


class UnwrapsOnlyItsOwn(SmallKek):
    breaks = ("test_unwrap_foreign",)

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        wrapped = WrappedDek(ciphertext, self.kek_id, kek_version, ALGORITHM)
        return self.unwrap_dek(wrapped, {})


class UnwrapsOnlyTheNewest(SmallKek):
    breaks = ("test_unwrap_foreign",)

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        if kek_version:
            raise UnwrapError
        return super().unwrap_foreign(ciphertext, kek_version)


class UnwrapsAnythingForeign(SmallKek):
    breaks = ("test_altered_foreign",)

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        try:
            return super().unwrap_foreign(ciphertext, kek_version)
        except UnwrapError:
            return bytes(32)


class IsNeverWell(SmallKek):
    breaks = ("test_health",)

    @hookimpl
    def check_health(self) -> None:
        raise UnavailableError("it is never well")


class TellsNoCure(SmallKek):
    breaks = ("test_risks",)

    @hookimpl
    def find_risks(self) -> list[Risk]:
        return [Risk("KEK-SMALL", "it is small", "")]


class TellsItInWords(SmallKek):
    breaks = ("test_risks",)

    @hookimpl
    def find_risks(self) -> list[Risk]:
        return [Risk("it is small", "it is small", "use a real one")]


class CountsWhatIsThere(SmallStorage):
    breaks = ("test_no_old_records", "test_old_records")

    def count_old(self, prefix: str) -> int:
        return super().count_old(prefix) + sum(1 for _ in self.ids(prefix))


class CountsOldOfAllIds(SmallStorage):
    breaks = ("test_old_records",)

    def count_old(self, prefix: str) -> int:
        return super().count_old("")


class CountsNoDeleted(SmallStorage):
    breaks = ("test_old_records",)

    def remove(self, dek_id: str) -> None:
        del self.service.records[self.key(dek_id)]


class DecodesForeignNames(SmallStorage):
    breaks = ("test_objects_of_others",)

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return (decode_object_name(n) or n for n in super().list_objects(prefix))


class ListsOtherObjects(SmallStorage):
    breaks = ("test_objects_of_others",)

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return super().list_objects("")


class ReadsTheRecordInstead(SmallStorage):
    breaks = ("test_missing_object", "test_objects_of_others")

    @hookimpl
    def load_object(self, name: str) -> bytes:
        return super().load_object(f"{name.removesuffix('.json')}.json")


class ProbesByWriting(SmallStorage):
    breaks = ("test_health",)

    @hookimpl
    def check_health(self) -> None:
        self.put("probe", b"probe")


class TellsARiskTwice(SmallStorage):
    breaks = ("test_risks",)

    @hookimpl
    def find_risks(self, dek_id: str) -> list[Risk]:
        return 2 * super().find_risks(dek_id)
