"""A proxy before a server of AWS, and errors as AWS words them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psutil

from tests.aws.cloud import Cloud
from tests.fakes.process import Server
from tests.fakes.proxy import Exchange, Fault, Proxy, Reply, run_proxy


class _Call(Exchange):
    def names(self) -> set[str]:
        """``Encrypt`` for a call of KMS, the method for one of S3."""
        return {self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]}


@dataclass(kw_only=True)
class FaultProxy(Proxy):
    """A proxy, and the cloud as it is seen through it."""

    cloud: Cloud


@contextmanager
def start_proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    """A proxy in front of the cloud's server."""
    proxy = FaultProxy(cloud.server.url, cloud=cloud)
    with run_proxy(proxy, _Call):
        behind = Server(f"{cloud.server.name} behind a proxy", proxy.url, psutil.Process())
        proxy.cloud = replace(cloud, server=behind)
        yield proxy


def kms_error(code: str, status: int = 400) -> Fault:
    """KMS answers with this error."""
    body = json.dumps({"__type": code, "message": "from the test"}).encode()
    return lambda x: x.answer(Reply(status, body, [("Content-Type", "application/x-amz-json-1.1")]))


def s3_error(code: str, status: int) -> Fault:
    """S3 answers with this error."""
    body = f"<Error><Code>{code}</Code><Message>from the test</Message></Error>".encode()
    return lambda x: x.answer(Reply(status, body, [("Content-Type", "application/xml")]))
