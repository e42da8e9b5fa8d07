"""A rewrap on the workers of a real Dask cluster, one of which dies."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from distributed import Client, LocalCluster

import kms_core
from kms_core.builtin.local.key_file import new_key_file
from tests.cli.running import run_command
from tests.core.test_upkeep import rotate
from tests.secret_files import write_private

COUNT = 600


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_private(tmp_path / "kek.toml", new_key_file())
    config = tmp_path / "kms.toml"
    config.write_text(
        '[kek]\nbackend = "local"\nkeyFile = "kek.toml"\n'
        '[storage]\nbackend = "file"\npath = "deks"\ncreateFolder = true\n'
    )
    return config


@pytest.fixture
def deks(config: Path) -> dict[str, bytes]:
    """Made before the KEK was rotated."""
    with kms_core.open_kms(config=config) as kms:
        deks = {f"volume-{n}": kms.create_dek(f"volume-{n}") for n in range(COUNT)}
    rotate(config.with_name("kek.toml"))
    return deks


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(  # type: ignore[no-untyped-call] # it lacks types
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(tmp_path),
        silence_logs=50,
    ) as cluster:
        yield cluster


def rewrap(cluster: LocalCluster, config: Path) -> dict[str, object]:
    where = ("--config", str(config), "dek", "rewrap", "--json")
    done = run_command(*where, "--dask", cluster.scheduler_address)
    assert done.code == 0, done.errors
    report: dict[str, object] = json.loads(done.output)
    return report


@pytest.mark.rest
def test_all_are_rewrapped(cluster: LocalCluster, config: Path, deks: dict[str, bytes]) -> None:
    report = rewrap(cluster, config)
    assert (report["done"], report["unchanged"]) == (COUNT, 0)
    assert rewrap(cluster, config)["unchanged"] == COUNT
    with kms_core.open_kms(config=config) as kms:
        assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == deks
        assert {o.dek.kek_version for o in kms.describe_deks() if o.dek} == {"2"}


def kill_one_midway(cluster: LocalCluster, folder: Path) -> Thread:
    """Kill a worker once some of the DEKs are done."""
    with Client(cluster) as client:  # type: ignore[no-untyped-call] # it lacks types
        [victim, *_] = client.run(os.getpid).values()

    def kill() -> None:
        records = list(folder.glob("dek-*.json"))
        while sum(b'"version":"2"' in record.read_bytes() for record in records) < COUNT / 10:
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)

    thread = Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.rest
def test_a_worker_that_dies(cluster: LocalCluster, config: Path, deks: dict[str, bytes]) -> None:
    killer = kill_one_midway(cluster, config.with_name("deks"))
    report = rewrap(cluster, config)
    killer.join()
    assert report["failed"] == report["gone"] == 0
    with kms_core.open_kms(config=config) as kms:
        assert {dek_id: kms.get_dek(dek_id) for dek_id in kms.list_dek_ids()} == deks
        assert {o.dek.kek_version for o in kms.describe_deks() if o.dek} == {"2"}


def test_no_uri_travels(cluster: LocalCluster) -> None:
    kek = ("--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://file?path=deks")
    done = run_command(*kek, "dek", "rewrap", "--dask", cluster.scheduler_address)
    assert done.code == 2
    assert "must not travel" in done.error
