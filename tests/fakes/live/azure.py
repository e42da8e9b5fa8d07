"""The live form of Blob Storage, Key Vault, managed HSM and Entra ID."""

from __future__ import annotations

import json
import random
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from tests.fakes.azure.recording import call_name
from tests.fakes.live.form import LiveForm
from tests.fakes.live.table import read_table
from tests.fakes.proxy import Exchange, Reply

_BLOB_CALLS = {
    ("DELETE", "blob"): "Delete Blob",
    ("GET", "blob"): "Get Blob",
    ("GET", "container"): "List Blobs",
    ("HEAD", "blob"): "Get Blob Properties",
    ("PUT", "blob"): "Put Blob",
    ("PUT", "container"): "Create Container",
}
_BEGINNING = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>'
_VAULT_401 = {"error": {"code": "Unauthorized", "message": "AKV10000: no Bearer token"}}


def blob_form() -> LiveForm:
    """Of Blob Storage."""
    return LiveForm(read_table("blob"), _name_blob_call, finish=_finish_blob)


def vault_form(*, is_hsm: bool) -> LiveForm:
    """Of Key Vault, or of a managed HSM."""
    return LiveForm(
        read_table("key-vault"),
        lambda exchange: call_name(exchange.command, exchange.path),
        _rewrite_hsm if is_hsm else _rewrite_vault,
        _finish_vault,
    )


def entra_form() -> LiveForm:
    """Of Entra ID."""
    return LiveForm(
        read_table("entra"), lambda exchange: urlsplit(exchange.path).path.rpartition("/")[2]
    )


def _name_blob_call(exchange: Exchange) -> str:
    kind = parse_qs(urlsplit(exchange.path).query).get("restype", ["blob"])[0]
    return _BLOB_CALLS[exchange.command, kind]


def _finish_blob(call: str, reply: Reply, turn: int) -> None:
    """A byte order mark stands before the XML, and one error has its code in the body alone."""
    if call != "Get Blob" or reply.status >= HTTPStatus.BAD_REQUEST:
        reply.body = _BEGINNING + reply.body if reply.body else b""
    if b"ResourceNotFound" in reply.body:
        reply.headers = [(n, v) for n, v in reply.headers if n.lower() != "x-ms-error-code"]


def _rewrite_vault(call: str, reply: Reply, turn: int) -> None:
    body = json.loads(reply.body)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        body = _VAULT_401
    elif "attributes" in body:
        body["attributes"] |= {"exportable": False, "hsmPlatform": "0"}
    reply.body = json.dumps(_say_why(body, turn)).encode()


def _rewrite_hsm(call: str, reply: Reply, turn: int) -> None:
    if reply.status == HTTPStatus.UNAUTHORIZED:  # of type JSON all the same
        reply.body = b"OK" * (turn % 2)
        return
    body = json.loads(reply.body)
    if "key" in body:
        operations = [*body["key"]["key_ops"], "deriveKey"]
        body["key"]["key_ops"] = random.sample(operations, len(operations))
    elif "value" in body:
        body["alg"] = "A256KW"
    reply.body = json.dumps(_say_why(body, turn)).encode()


def _say_why(body: dict[str, dict[str, object]], turn: int) -> dict[str, dict[str, object]]:
    """A 403 says it as ``innererror``, as ``innerError`` or not at all."""
    error = body.get("error", {})
    if "innererror" in error and turn % 4 == 1:
        error["innerError"] = error.pop("innererror")
    return body


def _finish_vault(call: str, reply: Reply, turn: int) -> None:
    if reply.status == HTTPStatus.BAD_REQUEST:
        reply.body += b"\r\n"
