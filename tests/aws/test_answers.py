"""Answers that S3-compatible stores and what stands before them give, and S3 does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from kms_aws.storage import AwsStorage
from kms_core import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    DekExistsError,
    DekNotFoundError,
    Kms,
    KmsError,
    RecordError,
    ThrottledError,
    UnavailableError,
    open_kms,
)
from tests.aws.cloud import Cloud, FaultProxy
from tests.aws.faults import PATIENT, fails
from tests.fakes.proxy import Exchange, Fault, Reply, cut_body, say

OLD = f'"{"0" * 32}"'
BODIES = {
    "empty": b"",
    "HTML": b"<html><body><p>An unclosed page</body></html>",
    "XHTML": b"<html><body><p>A closed page</p></body></html>",
    "JSON": b'{"code": "oops"}',
}


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> bytes:
    return BODIES[request.param]


def altering(alter: Callable[[Reply], None]) -> Fault:
    def fault(exchange: Exchange) -> None:
        reply = exchange.forward()
        alter(reply)
        exchange.answer(reply)

    return fault


def test_replies_known_by_status_alone(proxy: FaultProxy, store: AwsStorage, body: bytes) -> None:
    expected: list[tuple[str, int, type[KmsError], Callable[[], object]]] = [
        ("GET", 404, DekNotFoundError, lambda: store.load_record("id")),
        ("GET", 404, ConfigError, lambda: list(store.list_dek_ids(""))),
        ("PUT", 404, ConfigError, lambda: store.create_record("id", b"data")),
        ("PUT", 409, ConflictError, lambda: store.create_record("id", b"data")),
        ("PUT", 412, DekExistsError, lambda: store.create_record("id", b"data")),
        ("PUT", 404, DekNotFoundError, lambda: store.replace_record("id", b"data", OLD)),
        ("PUT", 409, ConflictError, lambda: store.replace_record("id", b"data", OLD)),
        ("PUT", 412, ConflictError, lambda: store.replace_record("id", b"data", OLD)),
        ("GET", 302, UnavailableError, lambda: store.load_record("id")),
    ]
    for call, status, kind, use in expected:
        proxy.spoil(call, say(status, body), times=1)
        fails(kind, use)


def test_page_of_a_gateway(proxy: FaultProxy, store: AwsStorage) -> None:
    """It has lost its route, or has conditions of its own, so it says nothing of a record."""
    for status in (404, 409, 412):
        page = say(status, BODIES["HTML"], Content_Type="text/html; charset=utf-8")
        proxy.spoil("PUT", page, times=1)
        fails(UnavailableError, lambda: store.replace_record("id", b"data", OLD))
        proxy.spoil("GET", page, times=1)
        fails(UnavailableError, lambda: store.load_record("id"))


@pytest.mark.parametrize("name", ["crc32", "crc64nvme", "sha256"])
def test_errors_with_a_checksum(proxy: FaultProxy, store: AwsStorage, name: str) -> None:
    for status, code, kind in (
        (404, b"NoSuchKey", DekNotFoundError),
        (503, b"SlowDown", ThrottledError),
        (403, b"AccessDenied", AccessDeniedError),
        (500, b"InternalError", UnavailableError),
    ):
        text = b"<Error><Code>" + code + b"</Code></Error>"
        proxy.spoil("GET", say(status, text, **{f"x_amz_checksum_{name}": "AAAAAA=="}))
        fails(kind, lambda: store.load_record("id"))
        proxy.spoil_nothing()


def test_record_whose_checksum_differs(proxy: FaultProxy, store: AwsStorage) -> None:
    def tell(checksum: str) -> Fault:
        return altering(lambda reply: reply.headers.append(("x-amz-checksum-sha256", checksum)))

    proxy.spoil("GET", tell("A" * 43 + "="), times=1)
    fails(UnavailableError, lambda: store.load_record("old"))
    proxy.spoil("GET", tell("A" * 43 + "=-2"), times=1)  # of parts: nothing to compare with
    assert store.load_record("old").data == b"data"


def test_malformed_heads(proxy: FaultProxy, store: AwsStorage) -> None:
    for header in (("Last-Modified", "soon"), ("x-amz-missing-meta", "few")):
        proxy.spoil("GET", altering(partial(_put, header=header)), times=1)
        fails(UnavailableError, lambda: store.load_record("old"))


def _put(reply: Reply, header: tuple[str, str]) -> None:
    reply.headers = [h for h in reply.headers if h[0].lower() != header[0].lower()] + [header]


def test_chunked_record(proxy: FaultProxy, store: AwsStorage) -> None:
    """etcd-operator#2145: without Content-Length."""

    def chunk(exchange: Exchange, end: bytes) -> None:
        reply = exchange.forward()
        exchange.send_response_only(reply.status)
        exchange.send_header("ETag", dict(reply.headers)["ETag"])
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        for byte in reply.body:
            exchange.wfile.write(b"1\r\n" + bytes([byte]) + b"\r\n")
        exchange.wfile.write(end)
        exchange.close_connection = True

    whole = store.load_record("old")
    proxy.spoil("GET", lambda exchange: chunk(exchange, b"0\r\n\r\n"), times=1)
    assert store.load_record("old") == whole
    proxy.spoil("GET", lambda exchange: chunk(exchange, b""), times=1)
    fails(UnavailableError, lambda: store.load_record("old"))


@pytest.mark.parametrize("call", ["create", "replace", "load"])
def test_cut_error_says_nothing(proxy: FaultProxy, store: AwsStorage, call: str) -> None:
    """The status alone would say that the record is there, or that it is not."""
    uses: dict[str, Callable[[], object]] = {
        "create": lambda: store.create_record("old", b"data"),
        "replace": lambda: store.replace_record("old", b"data", OLD),
        "load": lambda: store.load_record("missing"),
    }
    proxy.spoil("GET" if call == "load" else "PUT", cut_body)
    fails(UnavailableError, uses[call])


class TestStoreThatLies:
    """A PUT is done when the store has shown that it has the bytes."""

    @pytest.mark.parametrize("etag", [None, '"anything"', OLD])
    @pytest.mark.parametrize("hook", ["create", "replace"])
    def test_says_yes_and_does_nothing(
        self, proxy: FaultProxy, store: AwsStorage, etag: str | None, hook: str
    ) -> None:
        revision = store.load_record("old").revision
        proxy.spoil("PUT", say(200, ETag=etag) if etag else say(200))
        if hook == "create":
            fails(UnavailableError, lambda: store.create_record("id", b"new"))
        else:
            fails(UnavailableError, lambda: store.replace_record("old", b"new", revision))

    def test_keeps_other_bytes(self, proxy: FaultProxy, store: AwsStorage) -> None:
        def damage(exchange: Exchange) -> None:
            exchange.body = exchange.body[:-1] + b"?"
            exchange.answer(exchange.forward())

        proxy.spoil("PUT", damage, times=1)
        fails(UnavailableError, lambda: store.create_record("id", b"new"))
        store.create_record("id-2", b"new")

    def test_no_dek_is_returned(self, proxy: FaultProxy, kms: Kms) -> None:
        def damage(exchange: Exchange) -> None:
            exchange.body = exchange.body.replace(b"AWS", b"aws").replace(b":", b";")
            exchange.answer(exchange.forward())

        kms.get_dek("old", create=True)
        proxy.spoil("PUT", damage)
        with pytest.raises(RecordError):
            kms.get_dek("id", create=True)

    @pytest.mark.parametrize("etag", ['"of-another-kind-1"', "unquoted", 'W/"weak"'])
    def test_etags_that_are_no_digest(
        self, proxy: FaultProxy, store: AwsStorage, etag: str
    ) -> None:
        """Buckets that encrypt by a key of KMS, and other stores: the record is read back."""
        change = altering(partial(_put, header=("ETag", etag)))
        for call in ("PUT", "GET"):
            proxy.spoil(call, change, times=1)
        assert store.create_record("id", b"data") == etag
        assert proxy.seen == ["PUT", "GET"]

    def test_without_md5(
        self, proxy: FaultProxy, store: AwsStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise ValueError("disabled for FIPS")

        monkeypatch.setattr("kms_aws.storage.md5", refuse)
        store.create_record("id", b"data")
        assert proxy.seen == ["PUT", "GET"]

    def test_amazons_own_etag_costs_nothing(self, proxy: FaultProxy, store: AwsStorage) -> None:
        store.create_record("id", b"data")
        assert proxy.seen == ["PUT"]


def test_encrypt_under_another_key(moto: Cloud, proxy: FaultProxy) -> None:
    key, other = moto.make_key(), moto.make_key()

    def swap(exchange: Exchange) -> None:
        exchange.body = exchange.body.replace(key.encode(), other.encode())
        exchange.answer(exchange.forward())

    proxy.spoil("Encrypt", swap)
    kek = {"backend": "aws", **proxy.cloud.parameters, **PATIENT, "keyName": key}
    storage = {"backend": "aws", **moto.parameters, "bucket": moto.make_bucket()}
    with open_kms(kek, storage) as kms:
        with pytest.raises(UnavailableError, match="what the KMS wrapped does not unwrap"):
            kms.get_dek("id", create=True)
        assert list(kms.list_dek_ids()) == []
