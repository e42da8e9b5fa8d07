"""The installed distributions are those that importlib.metadata finds, and say the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.abc import MetaPathFinder
from pathlib import Path
from zipfile import ZipFile

import pytest

from kms_core._plugins.installed import Installed, find_installed

POINTS = "[kms.kek]\na = b:C\n"
HEAD = "Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n"
HEADS = {
    "plain": HEAD + "Requires-Dist: kms-core>=1 ; extra == 'a'\nRequires-Dist: other\n",
    "body": HEAD + "\nName: of-the-body\nRequires-Dist: of-the-body\n",
    "folded": HEAD + "License: one\n  Name: two\n\tthree\nRequires-Dist: kms-core\n\n",
    "folded-ours": HEAD + "Requires-Dist: kms-core\n  >=1\n",
    "case": HEAD + "requires-dist:kms-core \n",
    "crlf": (HEAD + "Requires-Dist: kms-core\n\nbody").replace("\n", "\r\n"),
    "garbage": HEAD + "garbage\nRequires-Dist: kms-core\n",
    "no-end": HEAD + "Requires-Dist: kms-core",
    "no-name": "Version: 1.0\n",
    "foreign": HEAD + "Author: é\nRequires-Dist: kms-core\n",
}


def write(folder: Path, head: str, *, file: str = "METADATA") -> Path:
    folder.mkdir(parents=True)
    (folder / file).write_bytes(head.format(name=folder.stem.partition("-1")[0]).encode())
    (folder / "entry_points.txt").write_text(POINTS)
    return folder


def said(found: Installed) -> tuple[str | None, str | None, list[str], str]:
    return found.field("Name"), found.field("Version"), found.requirements(), found.entry_points()


def both(monkeypatch: pytest.MonkeyPatch, *path: Path) -> tuple[list[str], list[str]]:
    """What is found on this path, by us and by importlib.metadata."""
    monkeypatch.setattr(sys, "path", [str(p) for p in path])
    found = find_installed()
    theirs = [Installed("", distribution) for distribution in metadata.distributions()]
    assert len(found) == len(theirs) > 0
    return sorted(map(repr, map(said, found))), sorted(map(repr, map(said, theirs)))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_metadata_that_tools_and_others_write(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "stranger-1.0.dist-info", head)
    ours, theirs = both(monkeypatch, tmp_path, tmp_path / "not-there")
    assert ours == theirs


def test_plain_folders_are_read_without_importlib_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "stranger-1.0.dist-info", HEADS["plain"])
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delattr(metadata, "PathDistribution")
    monkeypatch.delattr(metadata, "distributions")
    [found] = find_installed()
    requirements = ["kms-core>=1 ; extra == 'a'", "other"]
    assert said(found) == ("stranger", "1.0", requirements, POINTS)


def test_an_older_copy_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        write(tmp_path / name / "stranger-1.0.dist-info", HEAD.replace("1.0", name))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])
    assert [found.field("Version") for found in find_installed()] == ["first", "second"]


def test_eggs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What setuptools leaves beside the source, a file as distutils left it, and a whole egg."""
    beside = write(tmp_path / "site" / "beside-1.0.egg-info", HEAD, file="PKG-INFO")
    (beside / "requires.txt").write_text("kms-core\n\n[extra]\nother\n")
    (tmp_path / "site" / "file-1.0.egg-info").write_text(HEAD.format(name="file"))
    ours, theirs = both(monkeypatch, tmp_path / "site")
    assert ours == theirs
    write(tmp_path / "whole.egg" / "EGG-INFO", HEAD, file="PKG-INFO")
    ours, theirs = both(monkeypatch, tmp_path / "site", tmp_path / "whole.egg")
    assert ours == theirs


def test_a_zip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipFile(tmp_path / "app.pyz", "w") as app:
        app.writestr("stranger-1.0.dist-info/METADATA", HEAD.format(name="zipped"))
        app.writestr("stranger-1.0.dist-info/entry_points.txt", POINTS)
    ours, theirs = both(monkeypatch, tmp_path / "app.pyz")
    assert ours == theirs
    assert "zipped" in str(ours)


def test_a_finder_of_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = write(tmp_path / "hidden" / "hidden-1.0.dist-info", HEAD)
    write(tmp_path / "site" / "stranger-1.0.dist-info", HEAD)

    class Finder(MetaPathFinder):
        @staticmethod
        def find_distributions(_context: object = None) -> Iterator[metadata.Distribution]:
            yield metadata.PathDistribution(hidden)

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    ours, theirs = both(monkeypatch, tmp_path / "site")
    assert ours == theirs
    assert "hidden" in str(ours)
