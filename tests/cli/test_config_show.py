from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.cli.running import Kms, run_command
from tests.secret_files import write_private

SECRET = "bm9ib2R5LW1heS1zZWUtdGhpcy1tYXN0ZXItc2VjcmV0ISE="
HIDDEN = "**********"


def test_paths_are_resolved(kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kms("init")
    monkeypatch.chdir(folder.parent)
    done = kms("--config", "here/kms.toml", "config", "show")
    assert (done.code, done.errors) == (0, "")
    assert tomllib.loads(done.output) == {
        "kek": {"backend": "local", "keyFile": str(folder / "kek.toml")},
        "storage": {"backend": "file", "path": str(folder / "deks"), "createFolder": False},
    }
    assert f"[kek]  # {folder / 'kms.toml'}\n" in done.output


def test_what_it_shows_opens_the_same(kms: Kms, folder: Path) -> None:
    kms("init")
    shown = kms("config", "show").output
    dek = kms("dek", "get", "--create", "a").output
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/kms.toml").write_text(shown)
    assert kms("--config", "elsewhere/kms.toml", "dek", "get", "--create", "a").output == dek


@pytest.mark.parametrize("forbidden_by", ["config", "environment"])
def test_that_no_dek_may_be_made_is_shown(kms: Kms, folder: Path, forbidden_by: str) -> None:
    kms("init")
    config, environment = folder / "kms.toml", {}
    if forbidden_by == "config":
        config.write_text(config.read_text() + 'createDeks = "false"\n')
    else:
        environment = {"KMS_CREATE_DEKS": "0"}
    shown = tomllib.loads(run_command("config", "show", **environment).output)
    assert shown["storage"]["createDeks"] is False
    assert "createDeks" not in kms("config", "show").output or forbidden_by == "config"


def test_the_cache_is_shown(kms: Kms, folder: Path) -> None:
    kms("init")
    config = folder / "kms.toml"
    config.write_text(config.read_text() + "[cache]\nttl = 300\nstaleOnOutage = 1.5\n")
    done = kms("config", "show")
    assert (done.code, done.errors) == (0, "")
    cache = {"ttl": 300, "maxEntries": 1000, "staleOnOutage": 1.5}
    assert tomllib.loads(done.output)["cache"] == cache
    assert f"[cache]  # {config}\n" in done.output
    write_private(folder / "m", SECRET)
    kek = "kms://cluster-kms?keyFile=m&saltFile=m"
    derives = kms("--config", "kms.toml", "--kek", kek, "config", "show").output
    assert "# the cache is not used" in derives
    assert "cache" not in tomllib.loads(derives)


def test_each_part_says_where_it_comes_from(kms: Kms, folder: Path) -> None:
    kms("init")
    storage = "storage://file?path=x"
    option = kms("--config", "kms.toml", "--storage", storage, "config", "show").output
    assert f"[kek]  # {folder / 'kms.toml'}\n" in option
    assert "[storage]  # option --storage\n" in option
    assert f'path = "{folder / "x"}"' in option
    environment = kms("config", "show", KMS_CONFIG="kms.toml", KMS_STORAGE_URI=storage).output
    assert "[storage]  # environment KMS_STORAGE_URI\n" in environment
    alone = kms("--kek", "kms://local?keyFile=k", "config", "show").output
    assert '[storage]  # default\nbackend = "no-store"\n' in alone


def test_secrets_are_hidden_and_their_origin_is_shown(kms: Kms, folder: Path) -> None:
    write_private(folder / "s", SECRET)
    (folder / "kms.toml").write_text('[kek]\nbackend = "cluster-kms"\nsaltFile = "s"\n')
    done = kms("config", "show", KMS_KEK_CLUSTER_KMS_KEY=SECRET)
    assert done.code == 0
    assert f'key = "{HIDDEN}"  # environment\n' in done.output
    assert f'salt = "{HIDDEN}"  # {folder / "s"}\n' in done.output
    assert "allowShort = false  # default\n" in done.output
    assert "# storage://no-store is not used: kms://cluster-kms derives its DEKs" in done.output
    assert tomllib.loads(done.output)["kek"]["key"] == HIDDEN


def test_observers(kms: Kms, folder: Path) -> None:
    kms("init")
    with (folder / "kms.toml").open("a") as file:
        file.write('\n[[observers]]\nbackend = "log"\nlogger = "audit"\n')
    shown = kms("config", "show").output
    assert tomllib.loads(shown)["observers"] == [{"backend": "log", "logger": "audit"}]


@pytest.mark.parametrize(
    ("kek", "says"),
    [("kms://locl", "did you mean kms://local?"), ("kms://local", "keyFile is required")],
)
def test_what_is_wrong_is_said_and_nothing_half_shown(kms: Kms, kek: str, says: str) -> None:
    done = kms("--kek", kek, "config", "show")
    assert (done.code, done.output) == (2, "")
    assert says in done.error


def test_a_variable_of_the_environment_is_shown_by_its_name(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says: nobody knows whether that is a secret."""
    monkeypatch.setenv("SECRET", SECRET)
    (folder / "kms.toml").write_text(
        'storage = "storage://file?path=a%2F${SECRET}"\n'
        'observers = [{ backend = "log", logger = "${SECRET}" }]\n'
        '[kek]\nbackend = "cluster-kms"\nkey = "${SECRET}"\nsalt = "${SECRET}"\n'
        '[profile.p.kek]\nbackend = "local"\nkeyFile = "${SECRET}"\n'
        'retiredVersions = ["${SECRET}"]\n'
        '[profile.p.storage]\nbackend = "file"\npath = "a/${SECRET}"\n'
    )
    done = kms("config", "show")
    assert SECRET not in done.output
    shown = tomllib.loads(done.output)
    assert shown["kek"] == {"backend": "cluster-kms", "key": HIDDEN, "salt": HIDDEN} | {
        "allowShort": False
    }
    assert f'key = "{HIDDEN}"  # environment\n' in done.output
    assert shown["observers"] == [{"backend": "log", "logger": "${SECRET}"}]
    done = kms("--profile", "p", "config", "show")
    assert SECRET not in done.output
    shown = tomllib.loads(done.output)
    assert shown["kek"]["keyFile"] == "${SECRET}"
    assert shown["kek"]["retiredVersions"] == ["${SECRET}"]
    assert shown["storage"]["path"] == "a/${SECRET}"
    assert f"[kek]  # {folder / 'kms.toml'}, profile p\n" in done.output
