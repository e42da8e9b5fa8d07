import logging

import pytest

from kms_core.builtin.log import LogObserver
from kms_core.testing import ObserverConformance, ObserverHarness


class TestLogObserver(ObserverConformance):
    @pytest.fixture
    def harness(self, caplog: pytest.LogCaptureFixture) -> ObserverHarness:
        caplog.set_level(logging.INFO, logger="kms_core.audit")
        return ObserverHarness(
            open=lambda: LogObserver(LogObserver.Config()), read_notes=lambda: caplog.text
        )
