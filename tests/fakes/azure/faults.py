"""Calls of Azure as a proxy names them, and errors as Azure words them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.fakes.azure.recording import call_name
from tests.fakes.certificates import Certificates
from tests.fakes.live.azure import entra_form
from tests.fakes.process import Server
from tests.fakes.proxy import Exchange, Fault, Proxy, Reply, run_proxy, say


class _Call(Exchange):
    def names(self) -> set[str]:
        """As the documentation names it, or ``challenge`` if it brought no token."""
        signed_in = "Authorization" in self.headers
        return {call_name(self.command, self.path) if signed_in else "challenge"}


@contextmanager
def start_proxy(upstream: str, certificates: Certificates) -> Iterator[Proxy]:
    """A proxy in front of the server, which sees each call that brought a token."""
    proxy = Proxy(upstream, certificates, unseen=frozenset({"challenge"}))
    with run_proxy(proxy, _Call):
        yield proxy


class _Token(Exchange):
    def ask(self) -> Reply:
        """Say of itself what the issuer says of itself, or the next call would pass by."""
        reply = super().ask()
        reply.body = reply.body.replace(self.proxy.upstream.encode(), self.proxy.url.encode())
        return reply


@contextmanager
def start_issuer(tokens: Server, certificates: Certificates) -> Iterator[Proxy]:
    """A proxy in front of the issuer of tokens, whose answers take the form of Entra ID's."""
    proxy = Proxy(tokens.url, certificates, live=entra_form())
    with run_proxy(proxy, _Token):
        yield proxy


def entra_error(status: int, code: str, number: int, text: str) -> Fault:
    """Entra ID answers with this error."""
    ids = "Trace ID: 0 Correlation ID: 0 Timestamp: 2026-11-26 17:42:13Z"
    error = {
        "error": code,
        "error_description": f"AADSTS{number}: {text} {ids}",
        "error_codes": [number],
    }
    return say(status, json.dumps(error).encode(), Content_Type="application/json")


def vault_error(
    status: int, code: str, inner: str = "", name: str = "innererror", text: str = "from the test"
) -> Fault:
    """Key Vault answers with this error; the inner one has either of two names."""
    error: dict[str, Any] = {"code": code, "message": text}
    if inner:
        error[name] = {"code": inner}
    return say(status, json.dumps({"error": error}).encode(), Content_Type="application/json")


def blob_error(status: int, code: str) -> Fault:
    """Blob Storage answers with this error."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>test</Message></Error>"
    headers = {"Content_Type": "application/xml", "x_ms_error_code": code}
    return say(status, body.encode(), **headers)
