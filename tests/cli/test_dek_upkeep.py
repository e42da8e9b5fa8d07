"""``kms dek show``, ``inventory``, ``rewrap`` and ``delete``."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import kms_core
from kms_core import Outcome
from kms_core.cli.bulk import Report, with_progress
from tests.cli.running import COMMAND, Kms, clean_environment


@pytest.fixture(autouse=True)
def _stored(kms: Kms) -> None:
    assert kms("init").code == 0
    for dek_id in ("volume-1", "volume-2", "other"):
        assert kms("dek", "create", dek_id).code == 0


def rotate() -> None:
    with Path("kek.toml").open("a") as file:
        file.write(f'2 = "{b64encode(os.urandom(32)).decode()}"\n')


def test_show(kms: Kms) -> None:
    shown = json.loads(kms("dek", "show", "volume-1", "--json").output)
    lines = dict(line.split(maxsplit=1) for line in kms("dek", "show", "volume-1").raw.splitlines())
    assert {k.decode(): v.decode() for k, v in lines.items()} == {
        name: str(value) for name, value in shown.items()
    }
    assert (shown["dek_id"], shown["size"], shown["kek_version"]) == ("volume-1", 32, "1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["created"])
    assert kms("dek", "show", "none").code == 1


def test_rewrap(kms: Kms) -> None:
    before = kms("dek", "get", "other").output
    assert kms("dek", "rewrap").output == "3 unchanged\n"
    rotate()
    assert kms("dek", "rewrap", "--dry-run").output == "3 would be rewrapped\n"
    assert kms("dek", "rewrap", "--prefix", "volume-").output == "2 rewrapped\n"
    assert kms("dek", "rewrap", "--older-than", "1d").output == "3 unchanged\n"
    done = kms("dek", "rewrap", "--only-kek-version", "1", "--json", "--concurrency", "1")
    assert json.loads(done.output) == {
        "dry_run": False,
        "done": 1,
        "unchanged": 2,
        "gone": 0,
        "failed": 0,
        "failures": {},
    }
    assert kms("dek", "get", "other").output == before


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1w", "1d1h"])
def test_what_is_no_age(kms: Kms, age: str) -> None:
    done = kms("dek", "rewrap", f"--older-than={age}")
    assert done.code == 2
    assert "such as 90d" in done.error


def test_what_the_kek_cannot(kms: Kms) -> None:
    done = kms("dek", "rewrap", "--verify", "kms")
    assert done.output == "3 unchanged\n"
    rotate()
    done = kms("dek", "rewrap", "--verify", "kms")
    assert (done.code, done.output) == (1, "3 failed\n")
    assert done.errors.count("rewrap with verify=unwrap") == 3


def test_what_fails_is_named_and_stops_no_other(kms: Kms) -> None:
    rotate()
    Path("deks/dek-volume-1.json").write_text("no record")
    done = kms("dek", "rewrap")
    assert (done.code, done.output) == (1, "2 rewrapped, 1 failed\n")
    [line] = done.errors.splitlines()
    assert line.startswith("kms: failed: DEK 'volume-1': storage://file: load_record of DEK")
    report = json.loads(kms("dek", "rewrap", "--json").output)
    assert (report["unchanged"], report["failures"]["volume-1"]["error"]) == (2, "RecordError")


def test_inventory(kms: Kms) -> None:
    rotate()
    assert kms("dek", "rewrap", "--prefix", "volume-").code == 0
    done = kms("dek", "inventory")
    assert done.code == 0
    rows = re.findall(r"^local \w* +(\d) +(\d) +█+", done.output, re.MULTILINE)
    assert rows == [("2", "2"), ("1", "1")]
    keks = json.loads(kms("dek", "inventory", "--json").output)["keks"]
    assert [(kek["kek_version"], kek["deks"]) for kek in keks] == [("2", 2), ("1", 1)]


def test_whether_a_version_is_needed(kms: Kms) -> None:
    assert kms("dek", "inventory", "--needs-kek-version", "1").code == 1
    rotate()
    assert kms("dek", "rewrap").code == 0
    assert kms("dek", "inventory", "--needs-kek-version", "1").code == 0
    Path("deks/dek-other.json").write_text("no record")  # nobody knows what it needs
    assert kms("dek", "inventory", "--needs-kek-version", "1").code == 1


def test_inventory_as_a_page(kms: Kms) -> None:
    assert kms("dek", "inventory", "--html", "page.html").code == 0
    assert "3 DEKs, 0 unreadable" in Path("page.html").read_text()
    assert Path("page.html").stat().st_mode & 0o777 == 0o600


def test_deletion_wants_an_answer(kms: Kms) -> None:
    done = kms("dek", "delete", "other")
    assert done.code == 2
    assert "say --yes" in done.error
    assert kms("dek", "get", "other").code == 0
    assert kms("dek", "delete", "other", "--yes").code == 0
    assert kms("dek", "get", "other").code == 1


def test_deletion_of_what_cannot_be_read(kms: Kms) -> None:
    Path("deks/dek-other.json").write_text("no record")
    done = kms("dek", "delete", "other", "--yes")
    assert done.code == 0
    assert "warning" in done.errors
    assert "other" not in kms("dek", "list").output


def on_a_terminal(*arguments: str, answer: bytes = b"") -> tuple[int, str]:
    """Run the command on a terminal of its own; return its exit code and what stands there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(COMMAND, ["kms", *arguments], clean_environment({"TERM": "xterm"}))
    os.write(terminal, answer)
    seen = b""
    try:
        while more := os.read(terminal, 65536):
            seen += more
    except OSError:  # its end, on Linux
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.decode()


def test_a_terminal_is_asked() -> None:
    code, seen = on_a_terminal("dek", "delete", "other", answer=b"n\n")
    assert code != 0
    assert "Delete DEK 'other', of 32 bytes, made" in seen
    assert Path("deks/dek-other.json").exists()
    code, _ = on_a_terminal("dek", "delete", "other", answer=b"y\n")
    assert code == 0
    assert not Path("deks/dek-other.json").exists()


def test_a_terminal_has_a_bar() -> None:
    code, seen = on_a_terminal("dek", "rewrap")
    assert code == 0
    assert re.search("3/[3?]", seen), "they are counted meanwhile"
    assert "3 unchanged" in seen


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_run_does_not_wait_for_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """To list a million DEKs takes minutes."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    done, counted = Event(), Event()

    class Store:
        def list_dek_ids(self, prefix: str) -> Iterator[str]:
            assert done.wait(120)
            yield prefix
            counted.set()

    def outcomes() -> Iterator[Outcome]:
        yield Outcome("a", "done")
        done.set()
        assert counted.wait(120)

    store: Any = Store()
    assert [o.dek_id for o in with_progress(outcomes(), (store, ""), "auto")] == ["a"]


@pytest.mark.parametrize(
    ("done", "command"), [("rewrapped", "rewrap"), ("exported", "export deks.archive")]
)
def test_an_interrupt_says_what_is_done(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch, done: str, command: str
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> Iterator[Outcome]:
        yield Outcome("a", "done")
        raise KeyboardInterrupt

    before = {*folder.iterdir()}
    method, *_ = words = command.split()
    monkeypatch.setattr(kms_core.Kms, f"{method}_deks", interrupted)
    ran = kms("dek", *words, "--json")
    assert (ran.code, ran.output) == (130, "")
    assert ran.errors.strip() == f"kms: interrupted: 1 {done} until then; run it again"
    assert {*folder.iterdir()} == before


def test_failures_are_kept_only_for_the_report() -> None:
    """Of a million that fail for one reason, nobody wants the memory to be full as well."""
    error = kms_core.RecordError("no record")
    for as_json in (False, True):
        report = Report(as_json)
        assert len([*report.take(iter([Outcome("a", "failed", error=error)]))]) == 1
        assert (report.code, bool(report.failures)) == (1, as_json)
