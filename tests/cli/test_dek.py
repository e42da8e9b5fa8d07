from __future__ import annotations

import os
import stat
from base64 import b64decode
from pathlib import Path

import pytest

from tests.cli.running import Kms, install, run_command

IDS = ["volume-42", "Volume-42", "../../x", "a/b", "größe", "鍵/ключ/مفتاح", "-n", "x" * 255]


@pytest.fixture(autouse=True)
def _initialised(kms: Kms) -> None:
    assert kms("init").code == 0


def test_formats_show_the_same_dek(kms: Kms) -> None:
    dek = bytes.fromhex(kms("dek", "get", "--create", "a").output)
    assert b64decode(kms("dek", "get", "--create", "a", "--format", "base64").raw) == dek
    assert kms("dek", "get", "--create", "a", "--format", "hex").raw == dek.hex().encode() + b"\n"
    assert kms("dek", "get", "--create", "a", "--format", "raw").raw == dek


def test_raw_bytes_pass_a_pipe_unchanged(kms: Kms) -> None:
    dek = bytes.fromhex(
        kms("dek", "get", "--create", "a", "--size", "8160").output
    )  # all bytes occur in it
    assert (
        run_command("dek", "get", "--create", "a", "--size", "8160", "--format", "raw").raw == dek
    )


@pytest.mark.parametrize("size", [1, 16, 8160])
def test_size(kms: Kms, size: int) -> None:
    assert (
        len(kms("dek", "get", "--create", "a", "--size", str(size), "--format", "raw").raw) == size
    )


@pytest.mark.parametrize("size", ["0", "-1", "8161", "ten"])
def test_wrong_sizes_are_wrong_usage(kms: Kms, size: str) -> None:
    assert kms("dek", "get", "--create", "a", "--size", size).code == 2


def test_a_stored_dek_of_another_size_fails(kms: Kms) -> None:
    kms("dek", "get", "--create", "a")
    done = kms("dek", "get", "--create", "a", "--size", "16")
    assert (done.code, done.output) == (1, "")
    assert "has 32 bytes, not the 16 asked for" in done.error


def test_none_is_made_that_was_not_asked_for(kms: Kms) -> None:
    done = kms("dek", "get", "a")
    assert (done.code, done.output) == (1, "")
    assert "DEK 'a'" in done.error
    assert kms("dek", "list").output == ""
    made = kms("dek", "get", "--create", "a")
    assert kms("dek", "get", "a") == made


def test_create_makes_one_once(kms: Kms) -> None:
    made = kms("dek", "create", "a", "--size", "16")
    assert len(bytes.fromhex(made.output)) == 16
    assert kms("dek", "get", "a") == made
    again = kms("dek", "create", "a")
    assert (again.code, again.output) == (1, "")
    assert "already stored" in again.error


@pytest.mark.parametrize("forbidden_by", ["config", "environment", "URI"])
def test_making_deks_can_be_forbidden(kms: Kms, folder: Path, forbidden_by: str) -> None:
    made = kms("dek", "create", "there")
    config, environment, options = folder / "kms.toml", {}, []
    if forbidden_by == "config":
        config.write_text(config.read_text() + "createDeks = false\n")
    elif forbidden_by == "environment":
        environment = {"KMS_CREATE_DEKS": "false"}
    else:
        options = ["--config", "kms.toml", "--storage", "storage://file?path=deks&createDeks=false"]
    for command, code in ((("create", "new"), 2), (("get", "--create", "new"), 1)):
        done = run_command(*options, "dek", *command, **environment)
        assert (done.code, done.output) == (code, "")
        assert "createDeks=false" in done.error
    assert run_command(*options, "dek", "get", "--create", "there", **environment) == made
    assert kms("dek", "list").output == "there\n"


def test_a_store_that_is_gone_is_not_an_empty_one(kms: Kms, folder: Path) -> None:
    made = kms("dek", "create", "a")
    (folder / "deks").rename(folder / "elsewhere")
    for command in (("get", "a"), ("get", "--create", "a"), ("create", "a"), ("create", "b")):
        done = kms("dek", *command)
        assert (done.code, done.output) == (2, "")
        assert "mount the disk" in done.error
    (folder / "elsewhere").rename(folder / "deks")
    assert kms("dek", "get", "a") == made


def test_a_file_for_its_owner_alone(kms: Kms, folder: Path) -> None:
    (folder / "key").write_text("something longer than a DEK that stood here before" * 9)
    done = kms("dek", "get", "--create", "a", "--output", "key", "--format", "raw")
    assert (done.code, done.output) == (0, "")
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    assert (folder / "key").read_bytes() == kms("dek", "get", "a", "--format", "raw").raw
    os.mkfifo(folder / "pipe")
    reading = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    kms("dek", "get", "a", "--output", "pipe")
    assert os.read(reading, 100) == kms("dek", "get", "a").raw
    os.close(reading)
    lost = kms("dek", "get", "a", "--output", "no-folder/key")
    assert (lost.code, lost.output) == (1, "")
    assert "create the folder" in lost.error


def test_ids_of_any_script_are_listed_one_a_line(kms: Kms) -> None:
    for dek_id in IDS:
        assert kms("dek", "get", "--create", "--", dek_id).code == 0
    assert sorted(kms("dek", "list").output.splitlines()) == sorted(IDS)


def test_the_list_is_utf_8_whatever_the_terminal_speaks(kms: Kms) -> None:
    kms("dek", "get", "--create", "鍵")
    done = run_command("dek", "list", PYTHONIOENCODING="ascii")
    assert (done.code, done.output, done.errors) == (0, "鍵\n", "")


def test_prefix(kms: Kms) -> None:
    for dek_id in IDS:
        kms("dek", "get", "--create", "--", dek_id)
    assert kms("dek", "list", "--prefix", "V").output == "Volume-42\n"
    assert kms("dek", "list", "--prefix", "none").output == ""


def test_a_name_that_is_no_dek_id_cannot_forge_a_line(tmp_path: Path) -> None:
    site = tmp_path / "site"
    source = (
        "from kms_core.builtin.memory import MemoryStorage, hookimpl\n"
        "class Odd(MemoryStorage):\n"
        "    @hookimpl\n"
        "    def list_dek_ids(self, prefix):\n"
        "        yield from ('a', 'b\\nforged', 'c\\x1b[2J', 'd')\n"
    )
    install(site, "odd", "[kms.storage]\nodd = odd_mod:Odd\n", odd_mod=source)
    done = run_command(
        "--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://odd", "dek", "list",
        PYTHONPATH=str(site), PYTHONWARNINGS="ignore",
    )  # fmt: skip
    assert (done.code, done.output) == (0, "a\nd\n")
    assert [line.split(":")[:3] for line in done.errors.splitlines()] == [
        ["kms", " warning", r" left out 'b\nforged'"],
        ["kms", " warning", r" left out 'c\x1b[2J'"],
    ]


def test_derived_deks_cannot_be_listed(kms: Kms, folder: Path) -> None:
    (folder / "c").mkdir()
    kms("--config", "c/kms.toml", "init", "--kek", "cluster-kms")
    done = kms("--config", "c/kms.toml", "dek", "list")
    assert (done.code, done.output) == (2, "")
    assert "derives its DEKs" in done.error


def test_a_dek_id_that_is_none(kms: Kms) -> None:
    for dek_id in ("", "a\tb", "x" * 256):
        done = kms("dek", "get", "--create", dek_id)
        assert (done.code, done.output) == (1, "")
        assert "dek_id" in done.error
