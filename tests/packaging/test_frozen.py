"""What PyInstaller makes of a program has the installed backends, without an option."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.test_cluster import VECTORS, uri
from tests.packaging.conftest import Install, run

PROGRAM = """\
import sys
import kms_core
with kms_core.open_kms(sys.argv[1], "storage://memory", observers=["log"]) as kms:
    print(kms.get_dek(sys.argv[2]).hex())
"""


@pytest.mark.rest
def test_a_frozen_program_finds_its_backends(install: Install, tmp_path: Path) -> None:
    programs = install("kms-core[cluster]", "pyinstaller")
    (tmp_path / "program.py").write_text(PROGRAM)
    frozen = run(programs / "pyinstaller", "--noconfirm", "program.py", folder=tmp_path)
    assert frozen.returncode == 0, frozen.stderr[-2000:]
    key, salt, dek_id, dek = VECTORS[0]
    program = tmp_path / "dist" / "program" / "program"
    done = run(program, uri(key, salt), dek_id, folder=tmp_path)
    assert done.stdout.strip() == dek, done.stderr
    missing = run(program, "kms://aws", dek_id, folder=tmp_path)
    assert "kms://aws is not in this application; where it is built, run: pip" in missing.stderr
