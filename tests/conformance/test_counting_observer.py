"""Metrics tell no dek_id, and pass the kit."""

from tests.conformance.small_observer import CountsOnly
from tests.conformance.suites import ObserverSuite


class TestCountsOnly(ObserverSuite):
    backend = CountsOnly
