"""What prepares and collects a release, in a copy of the repository before its first one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

from tests.packaging.conftest import ROOT, run

NAME = "kms-cluster"
FRAGMENT = f"{NAME}/changelog.d/7.added.md"
FILES = ("noxfile.py", "pyproject.toml", "constraints.txt")
REFUSALS = [
    ("kms-nobody", "9.0.0", "there is no distribution 'kms-nobody', only kms-aws, "),
    (NAME, "next", "write it like 0.2.0"),
    (NAME, "0.0.1", "0.0.1 must be newer"),
    ("kms-gcp", "9.0.0", "kms-gcp/changelog.d has no fragment"),
    ("kms-core", "9.0.0", r"kms-aws/pyproject.toml requires kms-core<.*make it accept 9.0.0"),
]


def _git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def _release(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, folder / ".ci/release.py", *arguments, folder=folder)


def _version(folder: Path, name: str = NAME) -> Version:
    project = tomllib.loads((folder / name / "pyproject.toml").read_text())["project"]
    return Version(project["version"])


def _newer(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.micro + 1}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    no_caches = shutil.ignore_patterns("__pycache__")
    for part in (".ci", *(path.parent.name for path in ROOT.glob("kms-*/pyproject.toml"))):
        shutil.copytree(ROOT / part, folder / part, ignore=no_caches)
    for file in FILES:
        shutil.copy(ROOT / file, folder)
    for changelog in folder.glob("kms-*/CHANGELOG.md"):
        head, marker, _ = changelog.read_text().partition("<!-- releases -->\n")
        changelog.write_text(head + marker)
        shutil.rmtree(changelog.parent / "changelog.d")
    for name in (NAME, "kms-core"):
        (folder / name / "changelog.d").mkdir()
        (folder / name / "changelog.d/7.added.md").write_text("Something new.\n")
    _git(folder, "init", "-q")
    _git(folder, "add", "-A")
    _git(folder, "commit", "-q", "-m", "Before the release")
    return folder


def test_a_release_changes_its_version_and_changelog_and_nothing_else(copy: Path) -> None:
    before, new = _version(copy), _newer(_version(copy))
    made = run(sys.executable, "-m", "nox", "-s", "release", "--", NAME, new, folder=copy)
    assert made.returncode == 0, made.stderr
    assert f"git tag -a {NAME}-v{new} " in made.stdout
    changed = _git(copy, "diff", "HEAD", "--name-only").split()
    assert changed == [f"{NAME}/CHANGELOG.md", FRAGMENT, f"{NAME}/pyproject.toml"]
    assert not (copy / FRAGMENT).exists()
    assert re.search(
        rf"<!-- releases -->\n\n## {new} \([0-9-]+\)\n\n### Added\n\n- Something new. \(#7\)\n$",
        (copy / NAME / "CHANGELOG.md").read_text(),
    )
    lines = _git(copy, "diff", "HEAD", "-U0", f"{NAME}/pyproject.toml").splitlines()
    assert lines[-2:] == [f'-version = "{before}"', f'+version = "{new}"']


@pytest.mark.parametrize(("name", "version", "reason"), REFUSALS)
def test_a_refused_release_changes_nothing(
    name: str, version: str, reason: str, copy: Path
) -> None:
    refused = _release(copy, "prepare", name, version)
    assert refused.returncode == 1
    assert re.match(f"Not released: .*{reason}", refused.stderr)
    assert _git(copy, "status", "--porcelain") == ""


def test_a_version_is_released_once(copy: Path) -> None:
    version = str(_version(copy))
    assert _release(copy, "prepare", NAME, version).returncode == 0
    (copy / FRAGMENT).parent.mkdir(exist_ok=True)
    (copy / FRAGMENT).write_text("Something newer.\n")
    assert f"{version} must be newer" in _release(copy, "prepare", NAME, version).stderr


def test_a_tag_collects_the_two_files_of_its_distribution(copy: Path, built: Path) -> None:
    version = str(_version(copy))
    assert _release(copy, "prepare", NAME, version).returncode == 0
    collected = _release(copy, "collect", f"{NAME}-v{version}", built)
    assert collected.returncode == 0, collected.stderr
    files = {path.name: path.read_bytes() for path in (copy / "dist").iterdir()}
    names = {f"kms_cluster-{version}.tar.gz", f"kms_cluster-{version}-py3-none-any.whl"}
    assert files == {name: (built / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("kms-nobody-v1.0.0", "there is no distribution"),
        ("kms-cluster", "there is no distribution"),
        (f"{NAME}-v9.0.0", f"{NAME}/pyproject.toml says"),
        (f"{NAME}-v{_version(ROOT)}", f"{NAME}/CHANGELOG.md lacks it"),
        (f"kms-gcp-v{_version(ROOT, 'kms-gcp')}", "kms-gcp/CHANGELOG.md lacks it"),
    ],
)
def test_a_tag_that_disagrees_collects_nothing(
    tag: str, reason: str, copy: Path, built: Path
) -> None:
    refused = _release(copy, "collect", tag, built)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert not (copy / "dist").exists()
