from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from kms_core.builtin.local.key_file import new_key_file
from tests.cli.running import Kms, install, start_command

USAGE = [
    ((), "kms --help"),
    (("dek",), "kms dek --help"),
    (("config",), "kms config --help"),
    (("unknown",), "kms --help"),
    (("--unknown", "dek", "list"), "kms --help"),
    (("dek", "get", "--create"), "kms dek get --help"),
    (("dek", "get", "--create", "a", "b"), "kms dek get --help"),
    (("dek", "get", "--create", "a", "--format", "pem"), "kms dek get --help"),
    (("init", "--kek", "aws"), "kms init --help"),
    (("plugin",), "kms plugin --help"),
    (("plugin", "new", "acme"), "kms plugin new --help"),
    (("plugin", "new", "acme", "--kind", "keks"), "kms plugin new --help"),
]


@pytest.mark.parametrize(("arguments", "see"), USAGE)
def test_wrong_usage_is_one_line_that_names_the_right_help(
    kms: Kms, arguments: tuple[str, ...], see: str
) -> None:
    done = kms(*arguments)
    assert (done.code, done.output) == (2, "")
    assert done.error.endswith(f"; see `{see}`")
    assert kms(*see.removeprefix("kms ").split()).code == 0


@pytest.mark.parametrize(
    ("kek", "says"),
    [
        ("kms://locl", "did you mean kms://local?"),
        ("kms://local", "keyFile is required"),
        ("storage://local", "malformed kms URI"),
        ("kms://local?keyFile=kek.toml", "needs a storage"),
    ],
)
def test_wrong_config_exits_with_2(kms: Kms, kek: str, says: str) -> None:
    kms("init")
    done = kms("--kek", kek, "dek", "get", "--create", "a")
    assert (done.code, done.output) == (2, "")
    assert says in done.error


def test_a_config_that_is_not_there_or_not_toml(kms: Kms, folder: Path) -> None:
    (folder / "bad.toml").write_text("[kek")
    for path, says in (("no.toml", "`kms init` writes one"), ("bad.toml", "it is not TOML")):
        done = kms("--config", path, "dek", "get", "--create", "a")
        assert done.code == 2
        assert done.error.startswith(f"{path}: ")
        assert says in done.error


def test_a_failed_operation_exits_with_1(kms: Kms, folder: Path) -> None:
    kms("init")
    kms("dek", "get", "--create", "a")
    [record] = folder.glob("deks/*.json")
    record.write_bytes(record.read_bytes()[:-10])
    assert kms("dek", "get", "--create", "a").code == 1  # RecordError
    record.unlink()
    kms("dek", "get", "--create", "a")
    key_file = folder / "kek.toml"
    kek_id = key_file.read_text().partition("kek_id = ")[2].partition("\n")[0]
    key_file.write_text(new_key_file().replace("kek_id = ", f"kek_id = {kek_id} # "))
    assert (
        kms("dek", "get", "--create", "a").code == 1
    )  # UnwrapError: the same KEK by name, another key
    key_file.unlink()
    done = kms("dek", "get", "--create", "a")  # KekNotFoundError
    assert (done.code, done.output) == (1, "")
    assert "is not there; restore it from a backup" in done.error


def test_debug_shows_the_frames_before_the_one_line(kms: Kms) -> None:
    kms("init")
    Path("kek.toml").unlink()
    *frames, last = kms("--debug", "dek", "get", "--create", "a").errors.splitlines()
    assert last == f"kms: error: {kms('dek', 'get', 'a').error}"
    assert any("key_file.py" in line for line in frames)
    assert "FileNotFoundError" in frames
    assert "which led to" in frames


def test_a_full_disk_is_no_success(kms: Kms) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    kms("init")
    with Path("/dev/full").open("wb") as full:
        started = start_command("dek", "get", "--create", "a", output=full)
        _, errors = started.communicate()
    assert started.returncode == 1
    assert errors == b"kms: error: standard output: No space left on device\n"


ENDLESS = """
from itertools import count
from kms_core.builtin.memory import MemoryStorage, hookimpl
class Endless(MemoryStorage):
    @hookimpl
    def list_dek_ids(self, prefix):
        return (f"volume-{number}" for number in count())
"""


def test_a_list_streams_and_a_closed_pipe_ends_it_quietly(kms: Kms, tmp_path: Path) -> None:
    kms("init")
    install(
        tmp_path, "endless", "[kms.storage]\nendless = endless_mod:Endless", endless_mod=ENDLESS
    )
    listing = start_command(
        "--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://endless", "dek", "list",
        environment={"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert listing.stdout
    assert listing.stderr
    assert [listing.stdout.readline() for _ in range(2)] == [b"volume-0\n", b"volume-1\n"]
    listing.stdout.close()
    assert listing.stderr.read() == b""
    assert listing.wait() == 1
    listing.stderr.close()


WAITING = """
from pathlib import Path
from kms_core.builtin.memory import MemoryStorage, hookimpl
class Waiting(MemoryStorage):
    @hookimpl
    def load_record(self, dek_id):
        Path("never").read_bytes()
"""


def test_ctrl_c_ends_quietly(kms: Kms, tmp_path: Path) -> None:
    kms("init")
    install(
        tmp_path, "waiting", "[kms.storage]\nwaiting = waiting_mod:Waiting", waiting_mod=WAITING
    )
    os.mkfifo("never")
    waiting = start_command(
        "--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://waiting",
        "dek", "get", "--create", "a",
        environment={"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    with Path("never").open("w"):  # opens once kms reads it, and keeps it waiting
        waiting.send_signal(signal.SIGINT)
        output, errors = waiting.communicate()
    assert (waiting.returncode, output, errors.strip()) == (130, b"", b"")


def test_an_unexpected_error_is_one_line_too(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms_core._plugins.registry.find_backends", lambda: 1 // 0)
    done = kms("backends")
    assert done.code == 1
    assert done.error.startswith("unexpected ZeroDivisionError; run it again with --debug")
