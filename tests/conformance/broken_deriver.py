"""Derivers with one defect each."""

from __future__ import annotations

import os
import time
import unicodedata

from kms_core import KekInfo, KmsError
from kms_core.backend import hookimpl
from tests.conformance.small_kms import Service, SmallDeriver


class SaltsEachClient(SmallDeriver):
    breaks = ("test_same_bytes",)

    def __init__(self, service: Service, secret: bytes) -> None:
        super().__init__(service, secret + os.urandom(8))


class IgnoresCase(SmallDeriver):
    breaks = ("test_other_ids",)

    def expand(self, dek_id: str, size: int) -> bytes:
        return super().expand(dek_id.lower(), size)


class NormalisesIds(SmallDeriver):
    breaks = ("test_other_ids",)

    def expand(self, dek_id: str, size: int) -> bytes:
        return super().expand(unicodedata.normalize("NFC", dek_id), size)


class IgnoresSecret(SmallDeriver):
    breaks = ("test_other_secret",)

    def __init__(self, service: Service, secret: bytes) -> None:
        super().__init__(service, bytes(len(secret)))


class AddsByte(SmallDeriver):
    breaks = ("test_size",)

    def expand(self, dek_id: str, size: int) -> bytes:
        return super().expand(dek_id, size - 1) + b"\0\0"


class ClampsSize(SmallDeriver):
    breaks = ("test_size_out_of_range",)

    def check(self, dek_id: str, size: int) -> None: ...

    def expand(self, dek_id: str, size: int) -> bytes:
        return super().expand(dek_id, min(max(size, 1), 8160))


class TakesEmptyId(SmallDeriver):
    breaks = ("test_empty_id",)

    def check(self, dek_id: str, size: int) -> None:
        super().check(dek_id or "empty", size)


class KeepsDeks(SmallDeriver):
    breaks = ("test_no_dek_is_kept",)

    def expand(self, dek_id: str, size: int) -> bytes:
        kept: bytes = vars(self).setdefault(f"{dek_id} {size}", super().expand(dek_id, size))
        return kept


class SharesItsState(SmallDeriver):
    breaks = ("test_threads",)

    def expand(self, dek_id: str, size: int) -> bytes:
        self.dek_id = dek_id
        time.sleep(0.05)
        return super().expand(self.dek_id, size)


class TellsDek(SmallDeriver):
    breaks = ("test_errors_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        return type(error)(f"not like {self.expand('key-volume', 32)!r}")


class DescribesSecret(SmallDeriver):
    breaks = ("test_description_shows_no_secret",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("small", self.secret.hex(), "HKDF-SHA256")


class TellsSecretsApart(SmallDeriver):
    breaks = ("test_description",)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("small", str(sum(self.secret)), "HKDF-SHA256")


class LogsDek(SmallDeriver):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        print(list(self.expand("key-volume", 32)))  # noqa: T201 -- the defect
        return error


class JoinsIdAndSize(SmallDeriver):
    breaks = ("test_ids_and_sizes",)

    def expand(self, dek_id: str, size: int) -> bytes:
        return super().expand(f"{dek_id}{size}", size)
