"""A KEK in a service over HTTP, which wraps with AES-256-GCM and authenticates our context."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from kms_core import KekInfo, UnavailableError
from kms_core.backend import (
    Context,
    KekSpec,
    WrappedDek,
    check_kek,
    encode_context,
    hookimpl,
    parse_json,
    read_part,
)
from tests.conformance.http_pair.client import HttpClient, Request
from tests.conformance.http_pair.config import HttpKekConfig
from tests.conformance.http_pair.errors import KEK

_ALGORITHM = "AES-256-GCM"


class HttpKek(KekSpec):
    """The service knows the KEK by a path, and its versions by numbers."""

    Config = HttpKekConfig

    def __init__(self, config: HttpKekConfig) -> None:
        self._path = f"/keys/{config.key_name}"
        self._client = HttpClient(config)

    @hookimpl
    def wrap_dek(self, dek: bytes, context: Context) -> WrappedDek:
        reply = self._call("wrap", {"plaintext": _encode(dek)}, context)
        version = read_part(reply, "version", str)
        return WrappedDek(_decode(reply, "ciphertext"), self._path, version, _ALGORITHM)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        check_kek(wrapped, self._path, _ALGORITHM)
        sealed = {"ciphertext": _encode(wrapped.ciphertext), "version": wrapped.kek_version}
        return _decode(self._call("unwrap", sealed, context), "plaintext")

    @hookimpl
    def describe_kek(self) -> KekInfo:
        reply = parse_json(self._client.call(KEK, Request("GET", self._path)).body)
        return KekInfo(self._path, read_part(reply, "version", str), _ALGORITHM)

    @hookimpl
    def close(self) -> None:
        self._client.close()

    def _call(self, action: str, body: dict[str, str], context: Context) -> Any:
        text = json.dumps({**body, "aad": _encode(encode_context(context))})
        request = Request("POST", f"{self._path}/{action}", text.encode())
        return parse_json(self._client.call(KEK, request).body)


def _encode(data: bytes) -> str:
    return b64encode(data).decode()


def _decode(reply: Any, name: str) -> bytes:
    try:
        return b64decode(read_part(reply, name, str), validate=True)
    except ValueError:
        pass
    raise UnavailableError(f"the reply's {name} is not base64; check endpoint and proxy")
