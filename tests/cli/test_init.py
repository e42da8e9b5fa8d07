from __future__ import annotations

import os
import shlex
import stat
import tomllib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_core._plugins.installed import Installed
from kms_core._plugins.metadata import entry_points
from tests.cli.running import Kms

LOCAL = ["kek.toml", "deks", "kms.toml"]
CLUSTER = ["master-secret", "salt", "kms.toml"]


def names() -> list[str]:
    """What is in the current folder."""
    return sorted(path.name for path in Path().iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.parametrize(("kek", "written"), [("local", LOCAL), ("cluster-kms", CLUSTER)])
def test_what_it_writes_works_and_is_listed_on_standard_output(
    kms: Kms, kek: str, written: list[str]
) -> None:
    done = kms("init", "--kek", kek)
    assert done.code == 0
    assert done.output.splitlines() == written
    assert names() == sorted(written)
    *_, last = done.errors.splitlines()
    program, *command = shlex.split(last.removeprefix("kms: now try: "))
    assert program == "kms"
    first, second = kms(*command), kms("dek", "get", "volume-42")
    assert (first.code, first.errors) == (0, "")
    assert len(bytes.fromhex(first.output)) == 32
    assert first == second


def test_local_is_the_default(kms: Kms, folder: Path) -> None:
    assert kms("init").code == 0
    assert tomllib.loads((folder / "kms.toml").read_text()) == {
        "kek": {"backend": "local", "keyFile": "kek.toml"},
        "storage": {"backend": "file", "path": "deks"},
    }


def test_the_cluster_secrets_are_32_fresh_bytes_each(kms: Kms, folder: Path) -> None:
    seen = set()
    for name in "ab":
        (folder / name).mkdir()
        assert kms("--config", f"{name}/kms.toml", "init", "--kek", "cluster-kms").code == 0
        seen |= {
            urlsafe_b64decode((folder / name / file).read_text())
            for file in ("master-secret", "salt")
        }
    assert [len(secret) for secret in seen] == [32] * 4


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("kek", ["local", "cluster-kms"])
def test_only_the_owner_may_read_what_it_writes(kms: Kms, folder: Path, kek: str) -> None:
    kms("init", "--kek", kek)
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        path.name: 0o700 if path.is_dir() else 0o600 for path in folder.iterdir()
    }


@pytest.mark.parametrize(
    ("kek", "name"), [("local", n) for n in LOCAL] + [("cluster-kms", n) for n in CLUSTER]
)
@pytest.mark.parametrize("dangling", [False, True])
def test_it_refuses_to_overwrite_anything(
    kms: Kms, folder: Path, kek: str, name: str, *, dangling: bool
) -> None:
    if dangling:
        (folder / name).symlink_to(folder / "elsewhere")
    else:
        (folder / name).write_text("mine")
    done = kms("init", "--kek", kek)
    assert done.code == 2
    assert done.error.startswith(f"already there, and never overwritten: {name}; ")
    assert names() == [name]
    assert dangling or (folder / name).read_text() == "mine"


def test_it_names_everything_that_is_in_the_way_at_once(kms: Kms, folder: Path) -> None:
    (folder / "deks").mkdir()
    (folder / "kms.toml").symlink_to(folder / "elsewhere")
    error = kms("init").error
    assert error.startswith("already there, and never overwritten: deks, kms.toml; move")


@pytest.mark.parametrize("kek", ["local", "cluster-kms"])
def test_a_file_that_cannot_be_made_leaves_nothing_behind(kms: Kms, kek: str) -> None:
    done = kms("--config", "x" * 300, "init", "--kek", kek)
    assert done.code == 1
    assert "File name too long" in done.error
    assert names() == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(kms: Kms) -> None:
    done = kms("--config", "kek.toml", "init")  # its own key file is there when the config is due
    assert done.code == 2
    assert "never overwritten: kek.toml" in done.error
    assert names() == []


def test_no_folder_no_files(kms: Kms) -> None:
    done = kms("--config", "nowhere/kms.toml", "init")
    assert (done.code, done.output) == (1, "")
    assert "nowhere/kek.toml: No such file or directory" in done.error


@pytest.mark.parametrize("way", ["option", "environment"])
def test_it_writes_the_config_that_is_named(kms: Kms, folder: Path, way: str) -> None:
    (folder / "my conf").mkdir()
    path = "my conf/a.toml"
    if way == "option":
        done = kms("--config", path, "init")
        assert done.errors.endswith("try: kms --config 'my conf/a.toml' dek create volume-42\n")
    else:
        done = kms("init", KMS_CONFIG=path)
        assert done.errors.endswith("try: kms dek create volume-42\n")
    assert done.output.splitlines() == ["my conf/kek.toml", "my conf/deks", path]


def test_the_next_command_goes_past_an_environment_that_names_another_kek(kms: Kms) -> None:
    done = kms("init", KMS_KEK_URI="kms://cluster-kms")
    assert done.errors.endswith("try: kms --config kms.toml dek create volume-42\n")


def test_a_kek_that_is_not_installed_is_refused(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_cluster(group: str) -> list[tuple[str, str, Installed]]:
        return [e for e in entry_points(group) if e[0] != "cluster-kms"]

    monkeypatch.setattr("kms_core._plugins.registry.entry_points", without_cluster)
    done = kms("init", "--kek", "cluster-kms")
    assert done.code == 2
    assert done.error == "kms://cluster-kms is not installed; run: pip install 'kms-core[cluster]'"
    assert names() == []


@pytest.mark.parametrize("option", ["--kek", "--storage"])
def test_a_uri_before_init_is_not_taken_for_its_own_option(kms: Kms, option: str) -> None:
    done = kms(option, "kms://local", "init")
    assert done.code == 2
    assert "init takes no URI; write `kms init --kek local`" in done.error
    assert names() == []
