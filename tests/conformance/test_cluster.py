from collections.abc import Callable

import pytest

from kms_cluster.config import ClusterConfig
from kms_cluster.deriver import ClusterKms
from kms_core.testing import DeriverConformance

KEY, OTHER_KEY, SALT = "A" * 43 + "=", "B" * 42 + "A=", "S" * 42 + "A="


class TestClusterKms(DeriverConformance):
    @pytest.fixture
    def open_deriver(self) -> Callable[[], ClusterKms]:
        return lambda: ClusterKms(ClusterConfig.from_parameters({"key": KEY, "salt": SALT}))

    @pytest.fixture
    def open_other_deriver(self) -> Callable[[], ClusterKms]:
        return lambda: ClusterKms(ClusterConfig.from_parameters({"key": OTHER_KEY, "salt": SALT}))

    @pytest.fixture
    def secrets(self) -> list[str]:
        return [KEY, SALT]
