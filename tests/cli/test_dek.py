from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from tests.cli.running import Kms, install, run_command

IDS = ["volume-42", "Volume-42", "../../x", "a/b", "größe", "鍵/ключ/مفتاح", "-n", "x" * 255]


@pytest.fixture(autouse=True)
def _initialised(kms: Kms) -> None:
    assert kms("init").code == 0


def test_formats_show_the_same_dek(kms: Kms) -> None:
    dek = bytes.fromhex(kms("dek", "get", "a").output)
    assert b64decode(kms("dek", "get", "a", "--format", "base64").raw) == dek
    assert kms("dek", "get", "a", "--format", "hex").raw == dek.hex().encode() + b"\n"
    assert kms("dek", "get", "a", "--format", "raw").raw == dek


def test_raw_bytes_pass_a_pipe_unchanged(kms: Kms) -> None:
    dek = bytes.fromhex(kms("dek", "get", "a", "--size", "8160").output)  # all bytes occur in it
    assert run_command("dek", "get", "a", "--size", "8160", "--format", "raw").raw == dek


@pytest.mark.parametrize("size", [1, 16, 8160])
def test_size(kms: Kms, size: int) -> None:
    assert len(kms("dek", "get", "a", "--size", str(size), "--format", "raw").raw) == size


@pytest.mark.parametrize("size", ["0", "-1", "8161", "ten"])
def test_wrong_sizes_are_wrong_usage(kms: Kms, size: str) -> None:
    assert kms("dek", "get", "a", "--size", size).code == 2


def test_a_stored_dek_of_another_size_fails(kms: Kms) -> None:
    kms("dek", "get", "a")
    done = kms("dek", "get", "a", "--size", "16")
    assert (done.code, done.output) == (1, "")
    assert "has 32 bytes, not the 16 asked for" in done.error


def test_no_create_makes_none(kms: Kms) -> None:
    done = kms("dek", "get", "a", "--no-create")
    assert (done.code, done.output) == (1, "")
    assert "DEK 'a'" in done.error
    assert kms("dek", "list").output == ""
    made = kms("dek", "get", "a")
    assert kms("dek", "get", "a", "--no-create") == made


def test_ids_of_any_script_are_listed_one_a_line(kms: Kms) -> None:
    for dek_id in IDS:
        assert kms("dek", "get", "--", dek_id).code == 0
    assert sorted(kms("dek", "list").output.splitlines()) == sorted(IDS)


def test_the_list_is_utf_8_whatever_the_terminal_speaks(kms: Kms) -> None:
    kms("dek", "get", "鍵")
    done = run_command("dek", "list", PYTHONIOENCODING="ascii")
    assert (done.code, done.output, done.errors) == (0, "鍵\n", "")


def test_prefix(kms: Kms) -> None:
    for dek_id in IDS:
        kms("dek", "get", "--", dek_id)
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
        done = kms("dek", "get", dek_id)
        assert (done.code, done.output) == (1, "")
        assert "dek_id" in done.error
