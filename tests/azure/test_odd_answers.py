"""Error answers in forms that nobody expects: the right error all the same, in one short line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kms_azure.kek import AzureKek
from kms_azure.storage import AzureStorage
from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    KmsError,
    OperationError,
    UnavailableError,
)
from tests.azure.cloud import PATIENT, Cloud
from tests.fakes.azure.faults import blob_error, start_proxy
from tests.fakes.certificates import Certificates
from tests.fakes.proxy import Proxy, say

VAULT = "vault.azure.net"
CONTEXT = {"dek_id": "id", "size": "32"}


@pytest.fixture
def token_proxy(cloud: Cloud, certificates: Certificates) -> Iterator[Proxy]:
    with start_proxy(cloud.endpoints["tokens"], certificates) as proxy:
        yield proxy


@pytest.fixture
def kek(cloud: Cloud, vault_proxy: Proxy) -> AzureKek:
    behind = cloud.reached_at({VAULT: vault_proxy.url})
    return behind.open_kek(cloud.vaults[VAULT].make_key("RSA"), **PATIENT)


@pytest.fixture
def storage(cloud: Cloud, blob_proxy: Proxy) -> AzureStorage:
    behind = cloud.reached_at({"azurite": blob_proxy.url})
    return behind.open_storage(behind.make_container(), **PATIENT)


JSON, XML = {"Content_Type": "application/json"}, {"Content_Type": "application/xml"}
DEEP = b"[" * 100_000
SHAPES: list[Any] = [None, "text", 1, [], {}, [{}], {"code": None}, {"code": 1}, {"code": ["X"]}]
ODD: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"text"',
    "a number": b"1e999",
    "deep": DEEP,
    "deep and whole": DEEP + b"]" * 100_000,
    "deep inside": b'{"error":{"code":"X","innererror":' + DEEP + b"]" * 100_000 + b"}}",
    "not UTF-8": b'{"error":{"code":"\xff"}}',
    "not UTF-8 at all": b"\xff\xfe\x00",
    "a surrogate": rb'{"error":{"code":"\ud800"}}',
    "a number too long": b'{"error":{"code":"X","details":' + b"9" * 10_000 + b"}}",
    "a cut one": b'{"error":{"code":"Forb',
    "html": b"<html>Sign in</html>",
    "xml": b"<?xml version='1.0'?><Error/>",
}
ODD |= {f"error is {shape}": json.dumps({"error": shape}).encode() for shape in SHAPES}
ODD |= {
    f"{name} is {shape}": json.dumps({"error": {"code": "X", "message": "m", name: shape}}).encode()
    for name in ("innererror", "innerError", "details", "message")
    for shape in SHAPES
}


STATUS = [
    (400, OperationError),
    (403, AccessDeniedError),
    (404, ConfigError),
    (503, UnavailableError),
]


@pytest.mark.parametrize(("status", "kind"), STATUS)
def test_bodies_of_a_vault(
    vault_proxy: Proxy, kek: AzureKek, status: int, kind: type[KmsError]
) -> None:
    """The status says what it means if the body says nothing."""
    wrong = []
    for name, body in ODD.items():
        vault_proxy.spoil("GET key", say(status, body, **JSON))
        seen = outcome(kek.describe_kek)
        wrong += [(name, seen)] if seen is not kind else []
    assert wrong == []


@pytest.mark.parametrize(("status", "kind"), STATUS)
@pytest.mark.parametrize("form", [JSON, XML, {}])
def test_bodies_of_a_store(
    blob_proxy: Proxy,
    storage: AzureStorage,
    form: dict[str, str],
    status: int,
    kind: type[KmsError],
) -> None:
    wrong = []
    for name, body in ODD.items():
        blob_proxy.spoil("GET blob", say(status, body, **form))
        seen = outcome(lambda: storage.load_record("id"))
        wrong += [(name, seen)] if seen is not kind else []
    assert wrong == []


def outcome(call: Callable[[], object]) -> Any:
    """The class of its error, or what else is wrong."""
    try:
        call()
    except KmsError as error:
        text = str(error)
        shown = text.isprintable() and len(text) < 600
        return type(error) if shown else ascii(text)[:300]
    except Exception as error:  # noqa: BLE001 -- shown as what it is
        return f"{type(error).__name__}: {ascii(error)[:100]}"
    return None


NASTY = ["line\r\nbreak", "\x1b[31mred", "\u202egnorw", "x" * 60_000, "{}\n" * 9]


@pytest.mark.parametrize("code", NASTY)
def test_codes_are_shown_short_and_in_one_line(
    vault_proxy: Proxy, blob_proxy: Proxy, kek: AzureKek, storage: AzureStorage, code: str
) -> None:
    body = json.dumps({"error": {"code": code, "message": "m", "innererror": {"code": code}}})
    vault_proxy.spoil("GET key", say(409, body.encode(), **JSON))
    assert outcome(kek.describe_kek) is OperationError
    safe = "".join(c if c.isprintable() and c.isascii() else "?" for c in code)
    blob_proxy.spoil("GET blob", blob_error(409, safe))
    assert outcome(lambda: storage.load_record("id")) is OperationError


@pytest.mark.parametrize("status", [200, 400, 503])
def test_bodies_of_the_token_endpoint(cloud: Cloud, token_proxy: Proxy, status: int) -> None:
    """Entra ID answers with a JSON object; whatever else comes is not its answer."""
    key, wrong = cloud.vaults[VAULT].make_key("RSA"), []
    for name, body in ODD.items():
        token_proxy.spoil("challenge", say(status, body, **JSON))
        kek = cloud.open_kek(key, authority=token_proxy.url, **PATIENT)
        is_object = name.startswith(("error is", "inner", "details", "message", "deep inside"))
        refused = is_object and status != 503
        seen = outcome(kek.describe_kek)
        if seen is not UnavailableError and not (refused and seen is AuthenticationError):
            wrong.append((name, seen))
    assert wrong == []
