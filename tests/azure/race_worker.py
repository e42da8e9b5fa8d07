"""One of many processes: ``race_worker.py ANSWER START ID… < CONFIG``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

import kms_core
from tests.azure.recording import record_calls


def main(answer: Path, start: Path, ids: list[str]) -> None:
    config = json.load(sys.stdin)
    with pytest.MonkeyPatch.context() as patch:
        calls = record_calls(patch)
        with kms_core.open_kms(config["kek"], config["storage"]) as kms:
            answer.touch()  # ready
            while not start.exists():
                time.sleep(0.005)
            deks = {dek_id: kms.get_dek(dek_id).hex() for dek_id in ids}
    answer.write_text(json.dumps({"deks": deks, "calls": sorted(calls)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
