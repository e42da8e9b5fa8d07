"""Which calls of AWS our clients make, and which they may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import kms_aws.client
from kms_aws.config import AwsConfig
from kms_aws.permissions import CALLS

PROMISED = frozenset(CALLS)
"""What an administrator has to allow, at most."""


@contextmanager
def record_calls() -> Iterator[list[str]]:
    """The list that gets every call of every client that is opened meanwhile."""
    calls: list[str] = []
    open_session = kms_aws.client.open_session

    def note(**event: Any) -> None:
        model = event["model"]
        calls.append(f"{model.service_model.service_name}:{model.name}")

    def recorded(config: AwsConfig) -> Any:
        session = open_session(config)
        session.register("before-call", note)
        return session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kms_aws.client, "open_session", recorded)
        yield calls
