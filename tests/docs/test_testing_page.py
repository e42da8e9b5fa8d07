"""The files of the page about testing pass as they stand, also where warnings are errors."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS

FILE = re.compile(
    r"^```{code-block} python\n:caption: (\S+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def test_its_files_pass(tmp_path: Path) -> None:
    files = dict(FILE.findall((DOCS / "testing.md").read_text("utf-8")))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = (sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    assert len(files) == 4
