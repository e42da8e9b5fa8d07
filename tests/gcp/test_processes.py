"""Other processes: the command line, 64 that race, a child after a fork, what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from kms_core.testing import assert_one_winner
from tests.cli.running import run_command
from tests.gcp.cloud import Cloud

ROOT = Path(__file__).parents[2]


def uri(scheme: str, parameters: dict[str, object]) -> str:
    return f"{scheme}://gcp?{urlencode(parameters, quote_via=quote)}"


@pytest.fixture
def uris(cloud: Cloud) -> tuple[str, str]:
    return (
        uri("kms", cloud.kek_parameters(cloud.make_key())),
        uri("storage", cloud.storage_parameters(cloud.make_bucket())),
    )


def run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_command_line(uris: tuple[str, str]) -> None:
    environment = {"KMS_KEK_URI": uris[0], "KMS_STORAGE_URI": uris[1]}
    first = run_command("dek", "get", "--create", "volume/42", **environment)
    assert (first.code, first.errors, len(first.output)) == (0, "", 65)
    again = run_command("dek", "get", "volume/42", **environment)
    assert again.output == first.output
    assert run_command("dek", "list", **environment).output == "volume/42\n"
    missing = run_command("dek", "get", "volume-43", **environment)
    assert missing.code == 1
    assert "no record of this dek_id is stored" in missing.error
    shown = run_command("config", "show", **environment)
    assert shown.code == 0
    assert "PRIVATE" not in shown.output


def test_backends_are_listed() -> None:
    listed = run_command("backends", "--check").output.splitlines()
    ours = [line.split() for line in listed if "kms-gcp" in line]
    assert [(words[0], words[-1]) for words in ours] == [
        ("kms://gcp", "ok"),
        ("storage://gcp", "ok"),
    ]


@pytest.mark.rest
def test_all_processes_get_the_winners_dek(uris: tuple[str, str], *, long: bool) -> None:
    processes, ids = (64, 20) if long else (8, 3)
    assert_one_winner(*uris, processes=processes, ids=ids)


FORKED = """
import os, sys, kms_core
with kms_core.open_kms(*sys.argv[1:]) as kms:
    dek = kms.get_dek("id", create=True)
    child = os.fork()
    if child == 0:
        same = kms.get_dek("id") == dek
        os._exit(0 if same and len(kms.create_dek("other")) == 32 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert kms.get_dek("id", create=True) == dek
"""


def test_child_after_a_fork(uris: tuple[str, str]) -> None:
    run("-c", FORKED, *uris)


def test_kek_alone_imports_no_storage_code(uris: tuple[str, str], tmp_path: Path) -> None:
    code = (
        "import json, sys, kms_core\n"
        "kms_core.open_kms(*sys.argv[1:]).get_dek('id', create=True)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    modules = set(json.loads(run("-c", code, uris[0], f"storage://file?path={tmp_path}")))
    assert "kms_gcp.kek" in modules
    assert not {m for m in modules if m.startswith(("google.cloud.storage", "kms_gcp.storage"))}
    assert "kms_gcp.bucket" not in modules


def test_storage_alone_imports_no_kms_code(uris: tuple[str, str], tmp_path: Path) -> None:
    code = (
        "import json, sys, kms_core\n"
        "kms_core.open_kms(*sys.argv[1:]).get_dek('id', create=True)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    key_file = tmp_path / "kek.toml"
    run_command("--config", str(tmp_path / "kms.toml"), "init")
    modules = set(json.loads(run("-c", code, f"kms://local?keyFile={key_file}", uris[1])))
    assert "kms_gcp.storage" in modules
    assert not {m for m in modules if m.startswith(("google.cloud.kms", "kms_gcp.kek"))}
