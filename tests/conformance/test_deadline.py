"""A deadline that a suite sets is for calls that hang: what has to succeed has time."""

from __future__ import annotations

import time

from kms_core.backend import hookimpl
from kms_core.testing._harness.client import Client
from tests.conformance.small_kms import SmallKek, SmallKms


class TakesItsTimeToClose(SmallKek):
    @hookimpl
    def close(self) -> None:
        time.sleep(0.1)


def test_a_closing_has_time() -> None:
    Client(TakesItsTimeToClose(SmallKms(), "one"), "kms", deadline=0.01).close()
