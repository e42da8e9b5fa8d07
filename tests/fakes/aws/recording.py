"""Which calls of AWS our clients make, and which the documentation lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import kms_aws.client
from kms_aws.config import AwsConfig

PAGE = Path(__file__).parents[3] / "docs" / "providers" / "aws.md"
_ROW = re.compile(r"^\| `(?P<call>\w+)` \| `(?P<permission>(?P<service>kms|s3):\w+)`", re.MULTILINE)


def documented_calls() -> set[str]:
    """The calls in the table of permissions."""
    rows = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {f"{row['service']}:{row['call']}" for row in rows}


@contextmanager
def recorded_calls() -> Iterator[list[str]]:
    """What a process that races notes: every call that it made."""
    noted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        calls = record_calls(patch)
        yield noted
    noted += sorted(calls)


def record_calls(patch: pytest.MonkeyPatch) -> set[str]:
    """The set in which every call of every client that is opened from now on will be."""
    calls: set[str] = set()
    open_session = kms_aws.client._session

    def note(**event: Any) -> None:
        model = event["model"]
        calls.add(f"{model.service_model.service_name}:{model.name}")

    def recorded(config: AwsConfig) -> Any:
        session = open_session(config)
        session.register("before-call", note)
        return session

    patch.setattr(kms_aws.client, "_session", recorded)
    return calls
