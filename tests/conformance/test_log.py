import logging
from collections.abc import Callable

import pytest

from kms_core.builtin.log import LogObserver
from kms_core.testing import ObserverConformance


class TestLogObserver(ObserverConformance):
    @pytest.fixture
    def open_observer(self, caplog: pytest.LogCaptureFixture) -> Callable[[], LogObserver]:
        caplog.set_level(logging.INFO, logger="kms_core.audit")
        return lambda: LogObserver(LogObserver.Config())

    @pytest.fixture
    def read_notes(self, caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
        return lambda: caplog.text
