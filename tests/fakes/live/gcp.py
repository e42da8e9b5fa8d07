"""The live form of Cloud Storage, of Google's token endpoint and of Cloud KMS."""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.live.form import LiveForm
from tests.fakes.live.table import read_table
from tests.fakes.proxy import Exchange, Reply

_KMS = read_table("cloud-kms")
_TOKEN_CALLS = {
    ":generateAccessToken": "generateAccessToken",
    "/default/": "metadata account",
    "/v1/token": "exchange",
    "/default/token": "metadata token",
    "iam.gserviceaccount.com/token": "metadata token",
    "/token": "token",
}
_ACTIONS = {"POST": "insert", "DELETE": "delete", "PATCH": "patch"}


def storage_form() -> LiveForm:
    """Of Cloud Storage's JSON API."""
    return LiveForm(read_table("cloud-storage"), _name_storage_call, _rewrite_storage)


def token_form() -> LiveForm:
    """Of all that give tokens: the token endpoint, STS, IAM Credentials, the metadata server."""
    return LiveForm(read_table("google-tokens"), _name_token_call)


def keep_listed(method: str, message: Any) -> Any:
    """A reply of Cloud KMS with the fields that the table lists."""
    listed = {field for row in _KMS.find(method, "OK") for field in row.body}
    fields = {*type(message).pb(message).DESCRIPTOR.fields_by_name}
    assert listed <= fields
    for field in fields - listed:
        setattr(message, field, None)
    return message


def _name_token_call(exchange: Exchange) -> str:
    path = urlsplit(exchange.path).path
    for ending, name in _TOKEN_CALLS.items():
        if path.endswith(ending):
            return name
    return "metadata"


def _name_storage_call(exchange: Exchange) -> str:
    parts = urlsplit(exchange.path)
    path = parts.path.removeprefix("/upload").removeprefix("/download")
    path = path.removeprefix("/storage/v1/b").strip("/")
    bucket, _, rest = path.partition("/")
    kind = "objects" if rest else "buckets"
    if exchange.command != "GET":
        return f"{kind}.{_ACTIONS[exchange.command]}"
    if parse_qs(parts.query).get("alt") == ["media"]:
        return "objects.get media"
    one = "/" in rest or (bucket and kind == "buckets")
    return f"{kind}.{'get' if one else 'list'}"


def _rewrite_storage(call: str, reply: Reply, turn: int) -> None:
    """ETags are base64 without quotes. That an object is missing is told as text."""
    if call == "objects.delete" and reply.status == HTTPStatus.OK:
        reply.status, reply.body = HTTPStatus.NO_CONTENT, b""
    tag = b64encode(b"\x08\xb5" + str(turn).encode()).decode()
    reply.headers = [(n, tag if n.lower() == "etag" else v) for n, v in reply.headers]
    if call == "objects.get media" and reply.status == HTTPStatus.NOT_FOUND:
        reply.headers = [("Content-Type", "text/html; charset=UTF-8")]
        if b"bucket" not in reply.body.lower():
            reply.body = b"No such object: bucket/name"
