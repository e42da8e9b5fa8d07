from pathlib import Path

import pytest

from kms_core.backend import SecretBytes
from kms_core.builtin.audit.observer import AuditObserver
from kms_core.testing import ObserverConformance, ObserverHarness

KEY = b"the key of the hashes, 32 bytes or more"


class TestAuditFile(ObserverConformance):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> ObserverHarness:
        path = tmp_path / "audit.jsonl"
        config = AuditObserver.Config(path=path, key=SecretBytes(KEY))
        return ObserverHarness(
            open=lambda: AuditObserver(config),
            read_notes=lambda: path.read_text() if path.exists() else "",
            secrets=[KEY],
        )


class TestAuditOnStandardError(ObserverConformance):
    @pytest.fixture
    def harness(self, capsys: pytest.CaptureFixture[str]) -> ObserverHarness:
        written: list[str] = []

        def read() -> str:
            written.append(capsys.readouterr().err)
            return "".join(written)

        return ObserverHarness(open=lambda: AuditObserver(AuditObserver.Config()), read_notes=read)
