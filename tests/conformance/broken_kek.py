"""KEKs with one defect each."""

from __future__ import annotations

import time
import unicodedata
from base64 import b64encode
from dataclasses import replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms_core import KekInfo, KmsError, UnwrapError
from kms_core.backend import Context, WrappedDek, encode_context, hookimpl
from tests.conformance.small_kms import ALGORITHM, SmallKek, SmallKms


class KeepsKeyInClient(SmallKek):
    breaks = ("test_round_trip",)

    def cipher(self, version: str) -> AESGCM:
        cipher: AESGCM = vars(self).setdefault("kept", AESGCM(AESGCM.generate_key(256)))
        return cipher


class PadsDek(SmallKek):
    breaks = ("test_round_trip",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return super().wrap_dek(dek + bytes(-len(dek) % 16), context)


class CutsLargeDek(SmallKek):
    breaks = ("test_largest_dek",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return super().wrap_dek(dek[:4096], context)


class FailsAtLargeDek(SmallKek):
    breaks = ("test_largest_dek",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        if len(dek) > 4096:
            raise ValueError
        return super().wrap_dek(dek, context)


class KnowsNewestWrap(SmallKek):
    breaks = ("test_wrap_twice",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        wrapped = super().wrap_dek(dek, context)
        vars(self.service)["newest"] = wrapped.ciphertext
        return wrapped

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        if wrapped.ciphertext != vars(self.service)["newest"]:
            raise UnwrapError
        return super().unwrap_dek(wrapped, context)


class MindsOrder(SmallKek):
    breaks = ("test_order_of_context",)

    def aad(self, context: Context) -> bytes:
        return repr(context).encode()


class WantsAscii(SmallKek):
    breaks = ("test_strange_ids",)

    def aad(self, context: Context) -> bytes:
        return str(sorted(context.items())).encode("ascii")


class KeepsDeks(SmallKek):
    breaks = ("test_no_dek_is_kept",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        kept: bytes = vars(self).setdefault("kept", super().unwrap_dek(wrapped, context))
        return kept


class SharesItsState(SmallKek):
    breaks = ("test_threads",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        self.dek = dek
        time.sleep(0.05)
        return super().wrap_dek(self.dek, context)


class DescribesOldVersion(SmallKek):
    breaks = ("test_description",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return replace(super().describe_kek(), kek_version="0")


class HasNoName(SmallKek):
    breaks = ("test_keks_have_names",)
    kek_id = "the KEK"


class ForgetsOldVersions(SmallKek):
    breaks = ("test_rotation",)

    def is_mine(self, wrapped: WrappedDek) -> bool:
        newest = str(len(self.service.keks[self.name]))
        return super().is_mine(wrapped) and wrapped.kek_version == newest


class KnowsVersionsFromWhenItWasOpened(SmallKek):
    breaks = ("test_rotation",)

    def __init__(self, service: SmallKms, name: str) -> None:
        super().__init__(service, name)
        self.known = [str(n + 1) for n in range(len(service.keks.get(name, ())))]

    def is_mine(self, wrapped: WrappedDek) -> bool:
        return super().is_mine(wrapped) and wrapped.kek_version in self.known


class TellsItsKeysWhenAVersionIsMissing(SmallKek):
    breaks = ("test_errors_show_no_secret",)

    def is_mine(self, wrapped: WrappedDek) -> bool:
        versions = self.service.keks[self.name]
        if wrapped.kek_version not in {str(n + 1) for n in range(len(versions))}:
            raise UnwrapError(f"none of {versions}")
        return super().is_mine(wrapped)


class StaysAtFirstVersion(SmallKek):
    breaks = ("test_rotation",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        versions = self.service.keks[self.name]
        newer, versions[1:] = versions[1:], []
        wrapped = super().wrap_dek(dek, context)
        versions += newer
        return wrapped


class MakesMissingKek(SmallKek):
    breaks = ("test_missing_kek",)

    def __init__(self, service: SmallKms, name: str) -> None:
        service.keks.setdefault(name, [bytes(32)])
        super().__init__(service, name)


class UsesDisabledKek(SmallKek):
    breaks = ("test_disabled_kek",)

    def check_enabled(self) -> None:
        pass


class UnwrapsByDisabledKek(SmallKek):
    breaks = ("test_disabled_kek",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        disabled, self.service.disabled = self.service.disabled, False
        try:
            return super().unwrap_dek(wrapped, context)
        finally:
            self.service.disabled = disabled


class ForgetsContext(SmallKek):
    breaks = ("test_other_context", "test_copied_record")

    def aad(self, context: Context) -> bytes:
        return b""


class IgnoresCase(SmallKek):
    breaks = ("test_other_context",)

    def aad(self, context: Context) -> bytes:
        return encode_context(context).lower()


class NormalisesIds(SmallKek):
    breaks = ("test_other_context",)

    def aad(self, context: Context) -> bytes:
        return unicodedata.normalize("NFC", encode_context(context).decode()).encode()


class SortsValues(SmallKek):
    breaks = ("test_other_context",)

    def aad(self, context: Context) -> bytes:
        return "".join(sorted(context.values())).encode()


class BindsValuesAlone(SmallKek):
    breaks = ("test_other_context[with size renamed]",)

    def aad(self, context: Context) -> bytes:
        return repr([value for _, value in sorted(context.items())]).encode()


class FollowsName(SmallKek):
    breaks = ("test_other_kek",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        self.name = wrapped.kek_id.removeprefix("keks/")
        return super().unwrap_dek(wrapped, context)


class TriesEveryKek(SmallKek):
    breaks = ("test_other_kek_under_this_name",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        for name in self.service.keks:
            kek = SmallKek(self.service, name)
            try:
                return kek.unwrap_dek(replace(wrapped, kek_id=kek.kek_id), context)
            except UnwrapError:
                continue
        raise UnwrapError


class AddsLooseByte(SmallKek):
    breaks = ("test_every_byte",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        wrapped = super().wrap_dek(dek, context)
        return replace(wrapped, ciphertext=wrapped.ciphertext + b"\0")

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return super().unwrap_dek(replace(wrapped, ciphertext=wrapped.ciphertext[:-1]), context)


class IgnoresWhatFollows(SmallKek):
    breaks = ("test_other_length",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return super().unwrap_dek(replace(wrapped, ciphertext=wrapped.ciphertext[:60]), context)


class LetsOut(SmallKek):
    """Lets the errors of its cipher out as they are."""

    breaks = ("test_other_length",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        nonce, sealed = wrapped.ciphertext[:12], wrapped.ciphertext[12:]
        return self.cipher(wrapped.kek_version).decrypt(nonce, sealed, self.aad(context))


class IgnoresName(SmallKek):
    breaks = ("test_other_field", "test_name_of_the_other_kek")

    def refuse_other(self, wrapped: WrappedDek) -> None: ...

    def is_mine(self, wrapped: WrappedDek) -> bool:
        return super().is_mine(replace(wrapped, kek_id=self.kek_id))


class IgnoresAlgorithm(SmallKek):
    breaks = ("test_other_field",)

    def is_mine(self, wrapped: WrappedDek) -> bool:
        return super().is_mine(replace(wrapped, algorithm=ALGORITHM))


class IgnoresVersion(SmallKek):
    breaks = ("test_other_field",)

    def is_mine(self, wrapped: WrappedDek) -> bool:
        return super().is_mine(replace(wrapped, kek_version="1"))

    def cipher(self, version: str) -> AESGCM:
        return super().cipher("1")


class RemembersDek(SmallKek):
    dek = b""

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        self.dek = dek
        return super().wrap_dek(dek, context)


class TellsDek(RemembersDek):
    breaks = ("test_errors_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        return type(error)(f"not like {b64encode(self.dek).decode()}")


class CarriesDek(RemembersDek):
    breaks = ("test_errors_carry_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        vars(error)["dek"] = self.dek
        return error


class LogsDek(RemembersDek):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        print(self.dek.hex())  # noqa: T201 -- the defect
        return error


class DescribesCredential(SmallKek):
    breaks = ("test_description_shows_no_secret",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return replace(super().describe_kek(), algorithm=self.service.credential)
