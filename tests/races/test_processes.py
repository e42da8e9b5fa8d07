"""Many processes on one store: one winner, nothing lost, nothing torn by a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kms_core
from kms_core.testing import (
    assert_forks_share_no_connection,
    assert_one_winner,
    new_key_file,
)

HERE = Path(__file__).parent


@pytest.fixture
def uris(tmp_path: Path) -> tuple[str, str]:
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    return (
        f"kms://local?keyFile={key_file}",
        f"storage://file?path={tmp_path}/deks&createFolder=true",
    )


@pytest.mark.parametrize(
    ("processes", "ids"), [(16, 20), pytest.param(64, 200, marks=pytest.mark.rest)]
)
def test_all_processes_get_the_winners_dek(
    tmp_path: Path, uris: tuple[str, str], processes: int, ids: int
) -> None:
    assert_one_winner(*uris, processes=processes, ids=ids)
    assert list((tmp_path / "deks").glob(".tmp-*")) == []
    with kms_core.open_kms(*uris) as kms:
        assert len(list(kms.list_dek_ids())) == ids


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_forks_share_nothing_that_mixes_up(uris: tuple[str, str]) -> None:
    assert_forks_share_no_connection(*uris)


@pytest.mark.parametrize("creates", [200, pytest.param(2000, marks=pytest.mark.rest)])
def test_every_printed_dek_survives_kill_9(uris: tuple[str, str], creates: int) -> None:
    command = [sys.executable, str(HERE / "crash.py"), str(creates), *uris]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    printed = dict(line.split() for line in done.stdout.splitlines())
    assert len(printed) >= creates
    with kms_core.open_kms(*uris) as kms:
        assert {i: kms.get_dek(i, create=False).hex() for i in printed} == printed
        listed = set(kms.list_dek_ids())
        # A DEK that was stored but not printed is allowed; a torn or temporary file is not.
        assert all(len(kms.get_dek(i, create=False)) == 32 for i in listed)
    assert set(printed) <= listed <= {f"id-{n}" for n in range(len(printed) + 1)}
