"""What `pytest -p kms_core.testing.table` prints, from pytest processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = """\
import pytest

from kms_core.testing import StorageHarness
from tests.conformance.small_observer import CountsOnly
from tests.conformance.small_store import SmallStorage, SmallStore
from tests.conformance.suites import ObserverSuite, StorageSuite


class Forgetful(SmallStorage):
    def refuse_stale(self, dek_id, revision):
        self.load(dek_id)

    def put(self, dek_id, data):
        return super().put(dek_id, data if len(data) != 256 else b"forgotten")


class TestForgetful(StorageSuite):
    backend = Forgetful

    @pytest.fixture
    def harness(self):
        service = SmallStore()
        return StorageHarness(open=lambda: Forgetful(service))

    @pytest.fixture
    def away(self):
        raise OSError("no disk")

    @pytest.mark.usefixtures("away")
    def test_load_missing(self):
        pass

    @pytest.mark.xfail(reason="the store forgets")
    def test_stale_delete(self, fresh):
        super().test_stale_delete(fresh)


class TestCountsOnly(ObserverSuite):
    backend = CountsOnly


def test_of_another_kind():
    pass
"""
CHOSEN = (
    *("test_created_record", "test_create_after_delete", "test_stale_delete"),
    *("test_oversized_record", "test_stale_replace", "test_load_missing"),
)
TABLE = """\
test_it.py::TestCountsOnly
  passed   observe           Takes every dek_id.
test_it.py::TestForgetful
  FAILED   create_record     Every client sees the record whole, at once.
           load_record after create_record: the data: expected 256 bytes (SHA-256 40aff2e9…), \
saw 9 bytes (SHA-256 0df365ca…)
           what to do: store exactly these bytes, where a strongly consistent read finds them, and \
return the revision that a read returns.
           documented in kms_core.backend.hookspecs.StorageSpec.create_record \
(docs/hooks.md#storagespeccreate_record)
  passed   create_record     Takes an id whose record was deleted.
  xfailed  delete_record     Raises ConflictError at another revision, and changes nothing.
           the store forgets
  ERROR    load_record       Raises DekNotFoundError.
           the clause was not checked, because its setup failed: OSError: no disk
  skipped  load_record       Reads at most MAX_RECORD_SIZE + 1 bytes of what others stored.
           give the harness plant_record to check this clause; it stores this data as the record \
of this dek_id, without the backend.
  FAILED   replace_record    Raises ConflictError at another revision, and changes nothing.
           replace_record at a stale revision: expected ConflictError, saw an answer: 'r3'
           what to do: send the revision as a condition of the request, and name its refusal as \
ConflictError.
           documented in kms_core.backend.hookspecs.StorageSpec.replace_record \
(docs/hooks.md#storagespecreplace_record)
what get_dek needs: 1 error, 1 failed, 1 passed, 1 skipped
what only rewrap, delete, list and health need: 1 failed, 1 xfailed
what observers do: 1 passed
"""


def run(folder: Path, *options: str) -> str:
    (folder / "test_it.py").write_text(SUITE)
    chosen = [f"test_it.py::TestForgetful::{check}" for check in CHOSEN]
    others = ("TestCountsOnly::test_strange_ids", "test_of_another_kind")
    what = [*chosen, *(f"test_it.py::{other}" for other in others), f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *what, *options]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_table(processes: str, tmp_path: Path) -> None:
    printed = run(tmp_path, "-p", "kms_core.testing.table", "-n", processes)
    _, found, table = printed.partition(" clauses of the hookspecs ")
    assert found
    assert table.partition("\n")[2].startswith(TABLE)


def test_no_table_unless_asked_for(tmp_path: Path) -> None:
    assert "of the hookspecs" not in run(tmp_path, "-n", "0")
