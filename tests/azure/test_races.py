"""Many processes ask for the same new DEKs at once, and a process forks: one DEK for each id."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import kms_core
from tests.azure.cloud import Cloud
from tests.azure.recording import documented_calls

ROOT = Path(__file__).parents[2]
IDS = ["one", "two", "three"]


@pytest.fixture
def config(cloud: Cloud) -> dict[str, Any]:
    patient = {"connectTimeout": 60, "readTimeout": 60}
    kek = cloud.kek_parameters(cloud.vaults["vault.azure.net"].make_key("RSA")) | patient
    return {"kek": kek, "storage": cloud.storage_parameters(cloud.make_container()) | patient}


@pytest.mark.timeout(900)
def test_one_winner_among_processes(config: dict[str, Any], tmp_path: Path, long: bool) -> None:
    processes, start = 64 if long else 8, tmp_path / "start"
    answers = [tmp_path / f"answer-{n}" for n in range(processes)]
    command = [sys.executable, "-m", "tests.azure.race_worker"]
    workers = []
    for answer in answers:
        worker = subprocess.Popen(
            [*command, answer, start, *IDS], cwd=ROOT, stdin=subprocess.PIPE, text=True
        )
        workers.append(worker)
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(config))
        worker.stdin.close()
    while not all(answer.exists() for answer in answers):
        assert all(worker.poll() is None for worker in workers), "a process ended early"
        time.sleep(0.05)
    start.touch()
    assert [worker.wait() for worker in workers] == [0] * processes
    seen = [json.loads(answer.read_text()) for answer in answers]
    with kms_core.open_kms(config["kek"], config["storage"]) as kms:
        stored = {dek_id: kms.get_dek(dek_id, create=False).hex() for dek_id in IDS}
        assert sorted(kms.list_dek_ids()) == sorted(IDS)
    assert len(set(stored.values())) == len(IDS)
    assert all(answer["deks"] == stored for answer in seen)
    assert {call for answer in seen for call in answer["calls"]} <= documented_calls()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the servers have threads
def test_forks_share_no_connection(config: dict[str, Any]) -> None:
    ids = [f"id-{n}" for n in range(6)]
    with kms_core.open_kms(config["kek"], config["storage"]) as kms:
        deks = {dek_id: kms.get_dek(dek_id) for dek_id in ids}
        children = []
        for first in ids[:4]:
            child = os.fork()
            if child == 0:
                mixed_up = True
                try:
                    mixed_up = any(
                        kms.get_dek(dek_id, create=False) != deks[dek_id]
                        for dek_id in [first, *ids, *reversed(ids)] * 2
                    )
                finally:
                    os._exit(mixed_up)
            children.append(child)
        assert all(kms.get_dek(dek_id, create=False) == deks[dek_id] for dek_id in ids * 4)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
