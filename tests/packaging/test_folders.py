"""What `uv pip install ./kms-core ./kms-cluster` installs."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.packaging.conftest import ROOT, run


def test_nothing_is_editable_unless_asked(tmp_path: Path) -> None:
    """A workspace of uv made kms-core editable, so the program broke when the folder was gone."""
    folders = ("./kms-core", "./kms-cluster")
    options = ("-c", "constraints.txt", "--target", tmp_path)
    done = run(sys.executable, "-m", "uv", "pip", "install", *options, *folders, folder=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kms_core" / "__init__.py").exists()
    assert (tmp_path / "kms_cluster" / "__init__.py").exists()
