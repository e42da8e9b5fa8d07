"""Calls of AWS as a proxy names them, and errors as AWS words them."""

from __future__ import annotations

import json
from functools import partial

from tests.fakes.proxy import Exchange, Fault, Reply


class Call(Exchange):
    """A call of KMS or S3."""

    def names(self) -> set[str]:
        """``Encrypt`` for a call of KMS, the method for one of S3."""
        return {self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]}


def _say_as_aws(status: int, body: bytes, content_type: str) -> Fault:
    reply = partial(Reply, status, body, [("Content-Type", content_type)])
    return lambda exchange: exchange.answer(exchange.proxy.live(exchange, reply()))


def kms_error(code: str, status: int = 400, message: str = "from the test") -> Fault:
    """KMS answers with this error."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return _say_as_aws(status, body, "application/x-amz-json-1.1")


def s3_error(code: str, status: int) -> Fault:
    """S3 answers with this error."""
    body = f"<Error><Code>{code}</Code><Message>from the test</Message></Error>".encode()
    return _say_as_aws(status, body, "application/xml")
