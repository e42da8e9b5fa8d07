"""``kms dek migrate``, ``copy``, ``export`` and ``import``."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.running import Done, Kms

THERE = ("--config", "there/kms.toml")
ONLY_STORAGE = ("--config", "kms.toml", "--storage", "storage://file?path=other")


@pytest.fixture(autouse=True)
def deks(kms: Kms, folder: Path) -> dict[str, str]:
    """What is stored here; there is another KEK with a store, and another store."""
    (folder / "there").mkdir()
    (folder / "other").mkdir()
    assert kms("init").code == 0
    assert kms(*THERE, "init").code == 0
    return {i: kms("dek", "create", i).output for i in ("volume-1", "volume-2", "other")}


@pytest.fixture
def archive(kms: Kms) -> str:
    assert kms("dek", "export", "deks.archive").output == "3 exported\n"
    return "deks.archive"


def read(kms: Kms, *options: str) -> dict[str, str]:
    ids = kms(*options, "dek", "list").output.splitlines()
    return {dek_id: kms(*options, "dek", "get", dek_id).output for dek_id in ids}


def assert_failed(done: Done, dek_id: str, problem: str) -> None:
    assert done.code == 1
    assert done.errors.startswith(f"kms: failed: DEK '{dek_id}': ")
    assert problem in done.errors
    assert len(done.errors.splitlines()) == 1


def test_migrate(kms: Kms, deks: dict[str, str]) -> None:
    to = ("dek", "migrate", "--to-config", "there/kms.toml")
    assert kms(*to, "--dry-run").output == "3 would be migrated\n"
    assert read(kms, *THERE) == {}
    assert kms(*to, "--prefix", "volume-", "--concurrency", "1").output == "2 migrated\n"
    assert kms(*to).output == "1 migrated, 2 unchanged\n"
    assert read(kms, *THERE) == deks == read(kms)
    uris = ("kms://local?keyFile=there/kek.toml", "storage://file?path=there/deks")
    done = kms("dek", "migrate", "--to-kek", uris[0], "--to-storage", uris[1], "--json")
    assert json.loads(done.output) == {
        "dry_run": False,
        "done": 0,
        "unchanged": 3,
        "gone": 0,
        "failed": 0,
        "failures": {},
    }


def test_migrate_does_not_overwrite(kms: Kms, deks: dict[str, str]) -> None:
    theirs = kms(*THERE, "dek", "create", "other").output
    done = kms("dek", "migrate", "--to-config", "there/kms.toml")
    assert_failed(done, "other", "another DEK of this dek_id is stored there")
    assert done.output == "2 migrated, 1 failed\n"
    assert read(kms, *THERE) == deks | {"other": theirs}


@pytest.mark.parametrize(
    "to", [(), ("--to-kek", "kms://local?keyFile=there/kek.toml"), ("--to-storage", "storage://x")]
)
def test_migrate_must_know_where_to(kms: Kms, to: tuple[str, ...]) -> None:
    done = kms("dek", "migrate", *to)
    assert done.code == 2
    assert "--to-profile, or --to-kek and --to-storage" in done.error


def test_migrate_to_a_profile(kms: Kms, deks: dict[str, str], folder: Path) -> None:
    there = '[profile.there]\nkek = "kms://local?keyFile=there/kek.toml"\n'
    there += 'storage = "storage://file?path=there/deks"\n'
    (folder / "profiles.toml").write_text(there)
    to = ("dek", "migrate", "--to-profile", "there")
    assert "has no profile" in kms(*to).error
    kek = ("--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://file?path=deks")
    assert "give --to-config" in kms(*kek, *to, KMS_CONFIG="profiles.toml").error
    assert kms(*to, "--to-config", "profiles.toml").output == "3 migrated\n"
    with (folder / "kms.toml").open("a") as file:
        file.write(there)
    assert kms(*to).output == "3 unchanged\n"
    assert read(kms, "--profile", "there") == deks


def test_none_may_be_made_but_all_may_come(kms: Kms, deks: dict[str, str]) -> None:
    to = ("dek", "migrate", "--to-config", "there/kms.toml")
    assert kms(*to, KMS_CREATE_DEKS="false", KMS_CONFIG="kms.toml").code == 0
    assert read(kms, *THERE) == deks


def test_copy(kms: Kms, deks: dict[str, str], folder: Path) -> None:
    to = ("dek", "copy", "--to-storage", "storage://file?path=other")
    assert kms(*to, "--dry-run").output == "3 would be copied\n"
    assert kms(*to, "--prefix", "volume-1").output == "1 copied\n"
    assert kms(*to).output == "2 copied, 1 unchanged\n"
    assert read(kms, *ONLY_STORAGE) == deks
    ours, theirs = (
        {p.name: p.read_bytes() for p in (folder / f).iterdir()} for f in ("deks", "other")
    )
    assert ours == theirs


def test_export_and_import(kms: Kms, deks: dict[str, str], folder: Path, archive: str) -> None:
    assert stat.S_IMODE((folder / archive).stat().st_mode) == 0o600
    assert kms(*ONLY_STORAGE, "dek", "import", archive, "--dry-run").output == (
        "3 would be imported\n"
    )
    assert kms(*ONLY_STORAGE, "dek", "import", archive, "other").output == "1 imported\n"
    assert kms(*ONLY_STORAGE, "dek", "import", archive, "--prefix", "v").output == "2 imported\n"
    assert kms(*ONLY_STORAGE, "dek", "import", archive).output == "3 unchanged\n"
    assert read(kms, *ONLY_STORAGE) == deks
    done = kms("dek", "import", archive, "none")
    assert_failed(done, "none", "the archive has no DEK of this dek_id")


def test_under_another_kek(kms: Kms, deks: dict[str, str], archive: str) -> None:
    done = kms(*THERE, "dek", "import", archive)
    assert done.code == 1
    assert "configure the KEK that wrapped it" in done.error
    kek = "kms://local?keyFile=kek.toml"
    assert kms(*THERE, "dek", "import", "--from-kek", kek, archive).output == "3 imported\n"
    assert read(kms, *THERE) == deks
    there = "kms://local?keyFile=there/kek.toml"
    assert kms("dek", "export", "--to-kek", there, "offline").output == "3 exported\n"
    assert kms("dek", "import", "--from-kek", there, "offline").output == "3 unchanged\n"
    assert kms(*THERE, "dek", "import", "offline").output == "3 unchanged\n"


def test_an_archive_is_not_overwritten(kms: Kms, archive: str, folder: Path) -> None:
    before = (folder / archive).read_bytes()
    done = kms("dek", "export", archive)
    assert done.code == 2
    assert "never overwritten" in done.error
    assert (folder / archive).read_bytes() == before


def test_no_archive_is_left_of_an_export_that_fails(kms: Kms, folder: Path) -> None:
    before = {*folder.iterdir()}
    assert "create the folder" in kms("dek", "export", "none/deks.archive").error
    (folder / "deks").rename(folder / "elsewhere")
    assert kms("dek", "export", "deks.archive").code == 2
    (folder / "elsewhere").rename(folder / "deks")
    assert {*folder.iterdir()} == before


def test_what_is_no_record_is_named(kms: Kms, folder: Path, deks: dict[str, str]) -> None:
    (folder / "deks" / "dek-strange.json").write_text("{}")
    done = kms("dek", "export", "deks.archive")
    assert_failed(done, "strange", "the record is malformed")
    assert done.output == "3 exported, 1 failed\n"
    assert kms(*ONLY_STORAGE, "dek", "import", "deks.archive").output == "3 imported\n"


def test_what_is_no_archive(kms: Kms, archive: str, folder: Path) -> None:
    assert "no archive of kms-core" in kms("dek", "import", "kms.toml").error
    assert "none" in kms("dek", "import", "none").error
    whole = (folder / archive).read_bytes()
    (folder / archive).write_bytes(whole[:-1])
    done = kms(*ONLY_STORAGE, "dek", "import", archive)
    assert (done.code, done.output) == (1, "")
    assert "another backup" in done.error
    assert read(kms, *ONLY_STORAGE) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ("constellation",),
        ("constellation", "--from", "storage://file?path=deks"),
        ("constellation", "--from-kek", "kms://local?keyFile=kek.toml"),
        ("deks.archive", "--from", "storage://file?path=deks"),
    ],
)
def test_what_an_import_needs(kms: Kms, arguments: tuple[str, ...]) -> None:
    done = kms("dek", "import", *arguments)
    assert done.code == 2
    assert "see `kms dek import --help`" in done.error


def test_an_archive_that_is_not_there(kms: Kms) -> None:
    done = kms("dek", "import", "none")
    assert done.code == 2
    assert done.error == "there is no file 'none'; give the path of an archive"


def test_constellation_keeps_no_files(kms: Kms) -> None:
    done = kms(
        *("dek", "import", "constellation", "--from", "storage://file?path=deks"),
        *("--from-kek", "kms://local?keyFile=kek.toml"),
    )
    assert done.code == 2
    assert "keeps no objects of other programs" in done.error
