from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kms_core.builtin.local.key_file import new_key_file

Run = Callable[..., str]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python in a process of its own, with an empty home and only the site that is given."""
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: str, site: Path | None = None, home: Path = home) -> str:
        outside = ("KMS_", "PYTHON", "XDG_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(outside)}
        environment |= {"HOME": str(home)} | ({"PYTHONPATH": str(site)} if site else {})
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def local_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    key_file = tmp_path_factory.mktemp("kek") / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    return f"kms://local?keyFile={key_file}"


@pytest.fixture(scope="session")
def file_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"storage://file?path={tmp_path_factory.mktemp('deks')}"


@pytest.fixture(scope="session")
def probe(run: Run) -> Callable[[Path, list[tuple[str, str]]], list[dict[str, str]]]:
    def probe(site: Path, uris: list[tuple[str, str]]) -> list[dict[str, str]]:
        outcomes: list[dict[str, str]] = json.loads(
            run(str(Path(__file__).with_name("probe.py")), json.dumps(uris), site=site)
        )
        return outcomes

    return probe
