"""Many processes on one table, each forked with connections open: one DEK for each id."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import kms_core
from databases import Database

PROCESSES, IDS = 16, 20


def test_all_processes_get_the_winners_dek(
    database: Database, kek: dict[str, str], tmp_path: Path
) -> None:
    storage = {"backend": "sql", "createTable": True, "timeout": 60, **database.parameters}
    answers = tmp_path / "answers"
    answers.mkdir()
    race = [sys.executable, str(Path(__file__).with_name("race.py"))]
    command = [*race, str(PROCESSES), str(IDS), str(answers)]
    config = json.dumps({"kek": kek, "storage": storage})
    subprocess.run(command, input=config, text=True, check=True, timeout=120)
    seen = [json.loads(path.read_text()) for path in answers.iterdir()]
    assert len(seen) == PROCESSES
    with kms_core.open_kms(kek, storage) as kms:
        stored = {dek_id: kms.get_dek(dek_id, create=False).hex() for dek_id in kms.list_dek_ids()}
    del stored["parent"]
    assert len(stored) == len(set(stored.values())) == IDS
    assert all(answer == stored for answer in seen)
