from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.running import Kms, install


def shown(kms: Kms, *more: str) -> dict[str, str]:
    fields: dict[str, str] = json.loads(kms(*more, "kek", "show", "--json").output)
    return fields


def test_show(kms: Kms) -> None:
    kms("init")
    fields = shown(kms)
    done = kms("kek", "show")
    assert (done.code, done.errors) == (0, "")
    assert dict(line.split() for line in done.output.splitlines()) == fields
    assert fields.pop("kek_id")
    assert fields == {"kek_version": "1", "algorithm": "AES-256-GCM"}


def test_rotate(kms: Kms) -> None:
    kms("init")
    dek = kms("dek", "create", "a").output
    done = kms("kek", "rotate")
    assert (done.code, done.output) == (0, "2\n")
    assert "version 2 wraps from now on; back up the KEK" in done.errors
    assert "kms dek rewrap" in done.errors
    assert shown(kms)["kek_version"] == "2"
    assert kms("dek", "get", "a").output == dek


def test_rotate_what_kms_core_does_not_rotate(
    kms: Kms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cloud does, and as a KEK does that says nothing of it."""
    source = """
from tests.conformance.small_kms import SmallKek, SmallKms
from kms_core.backend import hookimpl
class Config(SmallKek.Config): ...
class Silent(SmallKek):
    rotate_kek = rotation_command = None
    def __init__(self, config):
        super().__init__(SmallKms(), "one")
class Telling(Silent):
    @hookimpl
    def rotation_command(self):
        return "small rotate one"
"""
    site = tmp_path / "site"
    points = "[kms.kek]\nsilent = small_mod:Silent\ntelling = small_mod:Telling\n"
    install(site, "kms-small", points, small_mod=source)
    monkeypatch.syspath_prepend(site)
    done = kms("--kek", "kms://telling", "kek", "rotate")
    assert (done.code, done.output) == (1, "small rotate one\n")
    assert "nothing is rotated yet: run this command" in done.errors
    done = kms("--kek", "kms://silent", "kek", "rotate")
    assert (done.code, done.output) == (2, "")
    assert done.error == (
        "kms://silent: rotate_kek: kms-core does not rotate this KEK; rotate it with the tools of "
        "its KMS"
    )


def test_a_deriver_is_not_rotated(kms: Kms) -> None:
    kms("init", "--kek", "cluster-kms")
    assert "derives DEKs" in kms("kek", "rotate").error
    assert "kek_version" not in shown(kms), "as it has none"


def test_several_keks(kms: Kms, folder: Path) -> None:
    """From the first file to a rotation to another KEK, through the command alone."""
    kms("init")
    (folder / "new").mkdir()
    kms("--config", "new/kms.toml", "init")
    storage = ("--storage", "storage://file?path=deks")
    old, new = (("--kek", f"kms://local?keyFile={path}kek.toml") for path in ("", "new/"))
    dek = kms("dek", "create", "a").output
    assert kms(*new, *storage, "dek", "get", "a").code == 1
    assert kms(*new, *old, *storage, "dek", "get", "a").output == dek
    made = kms(*new, *old, *storage, "dek", "create", "b").output
    assert kms(*new, *storage, "dek", "get", "b").output == made
    both = kms(*new, *old, *storage, "config", "show").output
    paths = [kek["keyFile"] for kek in tomllib.loads(both)["kek"]]
    assert paths == [str(folder / "new/kek.toml"), str(folder / "kek.toml")]
    assert both.count("[[kek]]  # option --kek\n") == 2
    (folder / "both.toml").write_text(both)
    assert kms("--config", "both.toml", "dek", "get", "a").output == dek
    again = kms("--config", "both.toml", "config", "show").output
    assert tomllib.loads(again) == tomllib.loads(both)


def test_a_retired_version(kms: Kms, folder: Path) -> None:
    kms("init")
    kms("dek", "create", "a")
    kms("kek", "rotate")
    config = folder / "kms.toml"
    text = config.read_text().replace("[storage]", 'retiredVersions = ["1"]\n[storage]')
    config.write_text(text)
    assert "version '1' of the KEK is among retiredVersions" in kms("dek", "get", "a").error
    assert kms("dek", "create", "b").code == 0
    assert tomllib.loads(kms("config", "show").output)["kek"]["retiredVersions"] == ["1"]
