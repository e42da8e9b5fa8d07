"""A reply that lacks a part, or is somebody else's, is the service's failure and shows nothing."""

from __future__ import annotations

import pytest

import kms_core
from kms_core.backend import parse_json, read_part


def test_a_part_that_is_there() -> None:
    assert read_part({"blob": b"x"}, "blob", bytes) == b"x"


@pytest.mark.parametrize("reply", [{}, {"blob": None}, {"blob": "hunter2"}, None, [], "hunter2"])
def test_a_part_that_is_not_there(reply: object) -> None:
    with pytest.raises(kms_core.UnavailableError, match="no blob that is a bytes") as caught:
        read_part(reply, "blob", bytes)
    assert "hunter2" not in str(caught.value)


def test_json() -> None:
    assert parse_json(b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("body", ["", "<html>hunter2", b"\xff", "[" * 200_000])
def test_what_is_not_json(body: str | bytes) -> None:
    with pytest.raises(kms_core.UnavailableError, match="JSON") as caught:
        parse_json(body)
    assert caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)
