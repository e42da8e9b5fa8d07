"""KEKs with one defect each, about what a wrapped DEK tells and which contexts are one."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

from kms_core import UnwrapError
from kms_core.backend import Context, WrappedDek, encode_context, hookimpl
from tests.conformance.small_kms import SmallKek


class HasOneNonce(SmallKek):
    breaks: tuple[str, ...] = ("test_key_stream",)

    def nonce(self, context: Context) -> bytes:
        return bytes(12)


class MakesNonceFromContext(HasOneNonce):
    breaks = ("test_key_stream",)

    def nonce(self, context: Context) -> bytes:
        return hashlib.sha256(self.aad(context)).digest()[:12]


class CountsFromNothing(HasOneNonce):
    breaks = ("test_key_stream",)
    count = 0

    def nonce(self, context: Context) -> bytes:
        self.count += 1
        return self.count.to_bytes(12)


class WritesBase64(HasOneNonce):
    """As some services do, and so hides what it has in common with others."""

    breaks = ("test_key_stream",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        wrapped = super().wrap_dek(dek, context)
        text = b"small:v1:" + b64encode(wrapped.ciphertext)
        return replace(wrapped, ciphertext=text)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        raw = b64decode(wrapped.ciphertext.removeprefix(b"small:v1:"))
        return super().unwrap_dek(replace(wrapped, ciphertext=raw), context)


class SignsOnly(SmallKek):
    """Lets nobody alter a DEK, and everybody read it."""

    breaks = ("test_wrapped_dek_is_hidden",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        info = self.describe_kek()
        sealed = self._sign(dek, context) + dek
        return WrappedDek(sealed, info.kek_id, info.kek_version, info.algorithm)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        signature, dek = wrapped.ciphertext[:32], wrapped.ciphertext[32:]
        if not hmac.compare_digest(signature, self._sign(dek, context)):
            raise UnwrapError
        return dek

    def _sign(self, dek: bytes, context: Context) -> bytes:
        key = self.service.keks[self.name][0]
        return hmac.digest(key, dek + self.aad(context), "sha256")


class NotesDekInAlgorithm(SmallKek):
    breaks = ("test_wrapped_dek_is_hidden",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return replace(super().wrap_dek(dek, context), algorithm=f"AES ({dek.hex()})")


class TakesDekForNumber(SmallKek):
    breaks = ("test_odd_deks",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return super().wrap_dek(dek.lstrip(b"\0") or b"\0", context)


class StripsDek(SmallKek):
    breaks = ("test_odd_deks",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return super().unwrap_dek(wrapped, context).strip()


class DropsZerosBehind(SmallKek):
    breaks = ("test_odd_deks",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        return super().unwrap_dek(wrapped, context).rstrip(b"\0")


class TakesDekForText(SmallKek):
    breaks = ("test_odd_deks",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        return super().wrap_dek(dek.decode(errors="replace").encode(), context)


class UnpadsDek(SmallKek):
    breaks = ("test_odd_deks",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        dek = super().unwrap_dek(wrapped, context)
        padding = dek[-1]
        is_padded = 0 < padding <= 16 and dek.endswith(bytes([padding]) * padding)
        return dek[:-padding] if is_padded else dek


def _encodes(name: str, encode: Callable[[Context], str]) -> type[SmallKek]:
    """A KEK with an encoding of its own."""

    def aad(_: SmallKek, context: Context) -> bytes:
        return encode(context).encode()

    members = {"aad": aad, "breaks": ("test_ambiguous_contexts",)}
    return type(name, (SmallKek,), members)


def _quoted(context: Context) -> str:
    return ",".join(f'"{k}":"{v}"' for k, v in sorted(context.items()))


def _numbered(context: Context) -> str:
    def number(value: str) -> object:
        with suppress(ValueError):
            return int(value)
        return value

    return json.dumps({k: number(v) for k, v in context.items()}, sort_keys=True)


JoinsByComma = _encodes(
    "JoinsByComma", lambda c: ",".join(f"{k}={v}" for k, v in sorted(c.items()))
)
JoinsBySlash = _encodes(
    "JoinsBySlash", lambda c: "/".join(f"{k}/{v}" for k, v in sorted(c.items()))
)
JoinsByNothing = _encodes("JoinsByNothing", lambda c: "".join(k + v for k, v in sorted(c.items())))
JoinsValues = _encodes("JoinsValues", lambda c: ",".join(v for _, v in sorted(c.items())))
QuotesWithoutEscapes = _encodes("QuotesWithoutEscapes", _quoted)
ReadsNumbers = _encodes("ReadsNumbers", _numbered)
StripsValues = _encodes(
    "StripsValues", lambda c: json.dumps({k: v.strip() for k, v in c.items()}, sort_keys=True)
)
CutsValues = _encodes(
    "CutsValues", lambda c: json.dumps({k: v[:200] for k, v in c.items()}, sort_keys=True)
)
CutsTheLongest = _encodes("CutsTheLongest", lambda c: encode_context(c).decode()[:1024])
StripsEscapes = _encodes(
    "StripsEscapes", lambda c: json.dumps(dict(c), sort_keys=True).replace("\\u", "")
)
EncodesAsForm = _encodes(
    "EncodesAsForm", lambda c: urlencode(sorted(c.items()), safe="+,=&:/;|").replace("+", " ")
)


class CutsContext(SmallKek):
    breaks = ("test_ambiguous_contexts",)

    def aad(self, context: Context) -> bytes:
        return encode_context(context)[:128]


class KeepsTheLastDek(SmallKek):
    """As the last request of an SDK does."""

    breaks = ("test_no_dek_is_kept",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        self.last = {"request": {"plaintext": dek.hex()}}
        return super().wrap_dek(dek, context)


class AppendsDeksToAFile(SmallKek):
    breaks = ("test_logs_show_no_secret",)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        with Path("deks").open("ab") as file:
            file.write(dek)
        return super().wrap_dek(dek, context)
