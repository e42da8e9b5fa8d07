import pytest

from kms_cluster.config import ClusterConfig
from kms_cluster.deriver import ClusterKms
from kms_core.testing import DeriverConformance, DeriverHarness

KEY, OTHER_KEY, SALT = "A" * 43 + "=", "B" * 42 + "A=", "S" * 42 + "A="


def open_with(key: str) -> ClusterKms:
    return ClusterKms(ClusterConfig.from_parameters({"key": key, "salt": SALT}))


class TestClusterKms(DeriverConformance):
    @pytest.fixture
    def harness(self) -> DeriverHarness:
        return DeriverHarness(
            open=lambda: open_with(KEY),
            open_other=lambda: open_with(OTHER_KEY),
            secrets=[KEY, SALT],
        )
