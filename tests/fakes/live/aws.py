"""The live form of S3 and AWS KMS."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

from tests.fakes.aws.materials import Materials
from tests.fakes.live.form import LiveForm
from tests.fakes.live.table import read_table
from tests.fakes.proxy import Exchange, Reply

_PROLOG = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_BUCKET_CALLS = {
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "versions"): "ListObjectVersions",
    ("PUT", ""): "CreateBucket",
}
_CODE = re.compile(rb"<Code>(.*?)</Code>")
_REFUSALS = {
    b"AccessDenied": "AccessDeniedException",
    b"InvalidClientTokenId": "UnrecognizedClientException",
    b"SignatureDoesNotMatch": "InvalidSignatureException",
}
"""moto says in XML who may not call KMS, and KMS in JSON."""
_TARGET = "X-Amz-Target"
ET.register_namespace("", "http://s3.amazonaws.com/doc/2006-03-01/")


class AwsForm:
    """Of both services, as the test servers have both at one address."""

    def __init__(self, materials: Materials) -> None:
        self._materials = materials
        self._kms = LiveForm(read_table("aws-kms"), name_kms_call, _rewrite_kms)
        self._s3 = LiveForm(read_table("s3"), name_s3_call, finish=_finish_s3)

    def __call__(self, exchange: Exchange, reply: Reply) -> Reply:
        if _TARGET not in exchange.headers:
            return self._s3(exchange, reply)
        if reply.status == HTTPStatus.OK and reply.body:
            body = json.loads(reply.body)
            self._materials.tell(name_kms_call(exchange), json.loads(exchange.body), body)
            reply.body = json.dumps(body).encode()
        return self._kms(exchange, reply)


def name_kms_call(exchange: Exchange) -> str:
    """``Encrypt``, …"""
    target: str = exchange.headers[_TARGET]
    return target.rpartition(".")[2]


def name_s3_call(exchange: Exchange) -> str:
    """``GetObject``, …"""
    parts = urlsplit(exchange.path)
    if "/" in parts.path.strip("/"):
        return f"{exchange.command.title()}Object"
    asked = parse_qs(parts.query, keep_blank_values=True)
    kind = next((name for name in ("list-type", "versions") if name in asked), "")
    return _BUCKET_CALLS.get((exchange.command, kind), f"{exchange.command} of a bucket")


def _finish_s3(call: str, reply: Reply, turn: int) -> None:
    """Errors and listings come with and without a prolog."""
    if reply.body and (call != "GetObject" or reply.status >= HTTPStatus.MULTIPLE_CHOICES):
        reply.body = _PROLOG * (turn % 2) + reply.body


def _rewrite_kms(call: str, reply: Reply, turn: int) -> None:
    refused = _CODE.search(reply.body)
    if not refused and not reply.body.startswith(b"{"):  # moto's page of an error of its own
        reply.body = b'{"__type": "KMSInternalException"}'
    body = {"__type": _REFUSALS[refused[1]]} if refused else json.loads(reply.body)
    if "__type" in body:  # the code alone, and a capital letter where access is denied
        if reply.status == HTTPStatus.FORBIDDEN:
            reply.status = HTTPStatus.BAD_REQUEST
        body["__type"] = body["__type"].rpartition("#")[2]
        if body["__type"] == "AccessDeniedException" and "message" in body:
            body["Message"] = body.pop("message")
    elif call == "Decrypt":
        body["KeyOrigin"] = "AWS_KMS"
    reply.body = json.dumps(body).encode()
    others = [(name, value) for name, value in reply.headers if name.lower() != "content-type"]
    reply.headers = [*others, ("Content-Type", "application/x-amz-json-1.1")]
