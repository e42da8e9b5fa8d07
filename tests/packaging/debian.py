"""Programs of Debian packages for the examples' tests: those of this machine, or unpacked ones.

Nothing is installed: apt-get downloads what is missing into a folder, for which nobody has to be
root, and dpkg-deb unpacks it there. The programs find their own files relative to themselves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_SERVERS = Path("/usr/lib/postgresql")  # Debian keeps PostgreSQL's server programs off PATH


@contextmanager
def found_programs() -> Iterator[dict[str, str]]:
    """Yield what to add to the environment so that SoftHSM and PostgreSQL's server are found."""
    present = {
        "softhsm2": shutil.which("softhsm2-util"),
        "postgresql": shutil.which("initdb") or any(_SERVERS.glob("*/bin/initdb")),
    }
    missing = [package for package, found in present.items() if not found]
    if not missing:
        yield {}
        return
    if not shutil.which("apt-get"):
        pytest.fail(f"the examples' tests need, as Debian calls them: {', '.join(missing)}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # root runs PostgreSQL as somebody else, who has to get there
        for package in _download(missing, folder):
            _run("dpkg-deb", "-x", package, folder / "root")
        yield _environment(folder / "root")


def _download(packages: list[str], folder: Path) -> list[Path]:
    """Fetch the packages, and what they need that is not installed."""
    for place in ("lists", "archives"):
        (folder / place / "partial").mkdir(parents=True)
    settings = {
        "APT::Sandbox::User": "root",  # another could not write into the folder
        "Debug::NoLocking": "true",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Dir::State::lists": folder / "lists",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    _run("apt-get", *options, "-q", "update")
    what = ("install", "--download-only", "--no-install-recommends", "-y", "-q")
    _run("apt-get", *options, *what, *packages)
    return list((folder / "archives").glob("*.deb"))


def _environment(root: Path) -> dict[str, str]:
    programs = [root / "usr/bin", *root.glob("usr/lib/postgresql/*/bin")]
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    return {
        "PATH": os.pathsep.join(map(str, [*programs, os.environ["PATH"]])),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
