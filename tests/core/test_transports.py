"""What an error of a transport was made of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kms_core.backend import find_host, inner_errors


class Failure(Exception):  # noqa: N818 -- it stands for all of them
    """As urllib3, requests and SDKs raise them."""

    def __init__(self, *args: object, **kept: object) -> None:
        super().__init__(*args)
        vars(self).update(kept)


def test_each_way_to_keep_an_error() -> None:
    cause = ConnectionRefusedError(111, "refused")
    pool = Failure("no more attempts", reason=cause)
    request = Failure(pool, reason="a text")
    outer = Failure("text", inner_exception=request)
    assert [*inner_errors(outer)] == [outer, request, pool, cause]
    assert [*inner_errors(None)] == []


def test_error_of_the_operating_system_that_is_only_the_cause() -> None:
    outer, cause = Failure("text"), ConnectionRefusedError(111, "refused")
    outer.__cause__ = cause
    assert [*inner_errors(outer)] == [outer, cause]
    outer.__cause__ = Failure("why the SDK gave up, which is a matter of its own")
    assert [*inner_errors(outer)] == [outer]


@pytest.mark.parametrize(
    ("where", "shown"),
    [(("vault.example", 443), "vault.example"), (("127.0.0.1", 9), "127.0.0.1:9")],
)
def test_host(where: tuple[str, int], shown: str) -> None:
    reached = SimpleNamespace(host=where[0], port=where[1])
    assert find_host(Failure(Failure("text", pool=reached))) == shown
    assert find_host(Failure("text", conn=reached)) == shown


def test_host_of_the_proxy_is_the_one_that_was_not_reached() -> None:
    service, proxy = (SimpleNamespace(host=name, port=443) for name in ("service", "proxy"))
    refused = Failure("refused", conn=proxy)
    assert find_host(Failure("text", pool=service, reason=refused)) == "proxy"


def test_host_of_what_was_to_be_sent() -> None:
    request = SimpleNamespace(url="https://user:secret@127.0.0.1:9/path?query")
    assert find_host(Failure("text", request=request)) == "127.0.0.1:9"
    reached = SimpleNamespace(host="proxy", port=443)
    assert find_host(Failure(Failure("text", conn=reached), request=request)) == "proxy"


def test_no_host() -> None:
    assert find_host(ValueError("text")) is None
