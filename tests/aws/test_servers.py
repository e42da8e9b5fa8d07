"""The servers of these tests, and the documentation's list of calls."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.aws.cloud import Cloud
from tests.docs.pages import DOCS, ROOT
from tests.fakes.aws.recording import PROMISED

PERMISSION = re.compile(r"^\| `(?P<call>\w+)` \| `(?P<service>kms|s3):\w+`", re.MULTILINE)


@pytest.mark.parametrize("name", ["moto", "ministack", "rclone"])
def test_nothing_listens_elsewhere(name: str, request: pytest.FixtureRequest) -> None:
    cloud: Cloud = request.getfixturevalue(name)
    cloud.admin("s3").list_buckets()
    cloud.server.assert_loopback_only()


def test_the_documentation_lists_the_calls(moto: Cloud, calls: list[str]) -> None:
    """After every test its calls are looked up among the promised; these are all made."""
    storage = moto.open_storage(moto.make_bucket(), createBucket=True)
    storage.delete_record("id", storage.create_record("id", b"data"))
    assert list(storage.list_dek_ids("")) == []
    assert storage.count_old_records("") == 0
    kek = moto.open_kek(moto.make_key())
    kek.unwrap_dek(kek.rewrap_dek(kek.wrap_dek(bytes(32), {}), {}), {})
    kek.describe_kek()
    rows = PERMISSION.finditer((DOCS / "providers" / "aws.md").read_text("utf-8"))
    assert {f"{row['service']}:{row['call']}" for row in rows} == PROMISED == set(calls)


@pytest.mark.rest
def test_servers_end_with_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "test_waiting.py").write_text(
        textwrap.dedent(
            """
            import time
            from tests.aws.conftest import *

            def test_wait(moto, ministack, rclone):
                print(*(c.server.process.pid for c in (moto, ministack, rclone)), flush=True)
                time.sleep(600)
            """
        )
    )
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    pytest_process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with pytest_process as process:
        assert process.stdout is not None
        pids: list[int] = []
        while not pids:
            words = process.stdout.readline().split()
            pids = [int(w) for w in words] if len(words) == 3 and words[0].isdigit() else []
        assert all(psutil.pid_exists(pid) for pid in pids)
        os.kill(process.pid, signal.SIGINT)
        process.stdout.read()
    assert not any(psutil.pid_exists(pid) for pid in pids)
