"""The messages on the page about compatibility are those that a user sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.plugins.strangers import GOOD_KEK

BOUND, OLD_HOOKSPEC = [
    " ".join(text.split())
    for text in blocks(DOCS / "compatibility.md", "text")
    if text.startswith("kms_core.errors.")
]
OLD_KEK = GOOD_KEK.replace("Plugin", "AcmeKek").replace("self, dek, context", "self, dek")


def install(site: Path, name: str, version: str, *requirements: str) -> None:
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n")
    (metadata / "entry_points.txt").write_text("[kms.kek]\nacme = kms_acme:AcmeKek\n")


@pytest.mark.parametrize(
    ("message", "requirement", "source"),
    [(BOUND, "kms-core>=0.1,<0.2", "raise SystemExit"), (OLD_HOOKSPEC, "kms-core>=0.1", OLD_KEK)],
)
def test_a_plugin_for_another_series(
    message: str, requirement: str, source: str, tmp_path: Path
) -> None:
    install(tmp_path, "kms-acme", "1.0", requirement)
    core = tmp_path / "kms_core-0.2.0.dist-info"
    core.mkdir()
    (core / "METADATA").write_text("Metadata-Version: 2.1\nName: kms-core\nVersion: 0.2.0\n")
    (tmp_path / "kms_acme.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", "import kms_core; kms_core.open_kms('kms://acme')"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == message
