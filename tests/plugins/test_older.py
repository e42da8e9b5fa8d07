"""A plugin from before the first optional hook, kept as the wheel that its author published.

The source is in the wheel. It must open and pass the kit in every later version of this series.
"""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.plugins.conftest import Run

WHEEL = Path(__file__).with_name("older") / "kms_older-1.0-py3-none-any.whl"
KEY = b64encode(b"1" * 32).decode().replace("+", "%2B").replace("/", "%2F")
USE = f"""
import kms_core
kek, storage = "kms://older?keyName=one&key={KEY}", "storage://older?name=a"
with kms_core.open_kms(kek, storage, observers=["older"]) as kms:
    dek = kms.create_dek("volume-42")
    assert kms.get_dek("volume-42") == dek
    kms.check_health()
    assert not kms.rewrap_dek("volume-42")
    assert [outcome.outcome for outcome in kms.rewrap_deks()] == ["unchanged"]
with kms_core.open_kek(kek) as alone:
    assert alone.unwrap(alone.wrap(b"data", {{}}), {{}}) == b"data"
"""
SUITES = """
import itertools
import pytest
from kms_core.testing import KekConformance, ObserverConformance, StorageConformance
from kms_core.testing import KekHarness, ObserverHarness, StorageHarness
from kms_older.kek import OlderKek
from kms_older.observer import OlderObserver
from kms_older.storage import OlderStorage

names = itertools.count()

def open_with(name, key):
    return OlderKek(OlderKek.Config.from_parameters({"keyName": name, "key": key}))

class TestKek(KekConformance):
    @pytest.fixture
    def harness(self):
        return KekHarness(
            open=lambda: open_with("one", "MTEx" * 10 + "MTE="),
            open_other=lambda: open_with("two", "MjIy" * 10 + "MjI="),
        )

class TestStorage(StorageConformance):
    @pytest.fixture
    def harness(self):
        name = f"store-{next(names)}"
        return StorageHarness(open=lambda: OlderStorage(OlderStorage.Config(name=name)))

class TestObserver(ObserverConformance):
    @pytest.fixture
    def harness(self):
        return ObserverHarness(open=lambda: OlderObserver(OlderObserver.Config()))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    with ZipFile(WHEEL) as wheel:
        wheel.extractall(site)
    return site


def test_it_opens_and_core_does_what_it_lacks(run: Run, site: Path) -> None:
    printed = run("-W", "error", "-c", USE, site=site)
    assert "older: create_dek done" in printed
    assert "older: get_dek done" in printed


def test_it_passes_what_it_passed(run: Run, site: Path, tmp_path: Path) -> None:
    tests = tmp_path / "test_older.py"
    tests.write_text(SUITES)
    options = ("-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}")
    printed = run("-m", "pytest", *options, str(tests), site=site)
    passed = re.search(r"(\d+) passed, \d+ skipped", printed)
    assert passed, printed
    assert int(passed[1]) > 90
