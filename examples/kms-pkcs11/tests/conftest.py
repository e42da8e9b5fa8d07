from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from softhsm import SoftHsm, init_softhsm


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    """A SoftHSM of these tests alone, which reads its settings once for each process."""
    folder = tmp_path_factory.mktemp("softhsm")
    tokens, settings = folder / "tokens", folder / "softhsm2.conf"
    tokens.mkdir()
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    return init_softhsm(folder)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("KMS_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _nobody_stays_logged_in(softhsm: SoftHsm) -> Iterator[None]:
    yield
    softhsm.close_keks()


@pytest.fixture
def key(softhsm: SoftHsm) -> str:
    return softhsm.make_key()
