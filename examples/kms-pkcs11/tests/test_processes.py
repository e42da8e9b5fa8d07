"""Many processes on one token, each forked with the module initialised: one DEK for each id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import kms_core
import pytest
from pkcs11.exceptions import PKCS11Error
from softhsm import SoftHsm

PROCESSES, IDS = 16, 10


@pytest.fixture
def config(softhsm: SoftHsm, key: str, tmp_path: Path) -> dict[str, Any]:
    parameters = softhsm.parameters | {"module": str(softhsm.module)}
    return {
        "kek": {"backend": "pkcs11", **parameters, "key": key},
        "storage": {"backend": "file", "path": str(tmp_path / "deks"), "createFolder": True},
    }


def test_all_processes_get_the_winners_dek(config: dict[str, Any], tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.mkdir()
    race = [sys.executable, str(Path(__file__).with_name("race.py"))]
    command = [*race, str(PROCESSES), str(IDS), str(answers)]
    subprocess.run(command, input=json.dumps(config), text=True, check=True, timeout=600)
    seen = [json.loads(path.read_text()) for path in answers.iterdir()]
    assert len(seen) == PROCESSES
    with kms_core.open_kms(config["kek"], config["storage"]) as kms:
        stored = {f"id-{n}": kms.get_dek(f"id-{n}", create=False).hex() for n in range(IDS)}
    assert len(set(stored.values())) == IDS
    assert all(answer == stored for answer in seen)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # forking amid threads is the point
def test_a_fork_amid_calls_of_other_threads_works(config: dict[str, Any]) -> None:
    stop = threading.Event()
    with kms_core.open_kms(config["kek"], config["storage"]) as kms:
        dek = kms.get_dek("volume-42", create=True)

        def call_on() -> None:
            while not stop.is_set():
                kms.get_dek("volume-42", create=False)

        threads = [threading.Thread(target=call_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            same = all(fork_and_compare(kms, dek) for _ in range(20))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert same


def fork_and_compare(kms: kms_core.Kms, dek: bytes) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(300)  # ends a child that waits for a thread of its parent
        os._exit(kms.get_dek("volume-42", create=False) != dek)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_initialises_the_module_again(softhsm: SoftHsm, key: str) -> None:
    kek = softhsm.open_kek(key)
    kek.describe_kek()
    with softhsm.open_token() as session:
        child = os.fork()
        if child == 0:
            kek.describe_kek()
            with suppress(PKCS11Error):
                session.generate_random(64)  # of a session that the parent has
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert session.generate_random(64)
