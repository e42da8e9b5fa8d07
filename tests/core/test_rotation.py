"""A rotation of ``kms://local``: whole, durable, private, one after the other, whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core.builtin.local.key_file import new_key_file, read_key_file
from kms_core.builtin.local.rotation import rotate_key_file
from tests.core.test_file_storage import recorded
from tests.secret_files import write_private

KEY = "A" * 43 + "="
CONTEXT = {"purpose": "x"}


def test_a_version_is_added_and_nothing_else_changes(key_file: Path) -> None:
    before, text = read_key_file(key_file), key_file.read_text()
    after = rotate_key_file(key_file)
    assert after == read_key_file(key_file)
    assert after.newest == "2"
    assert after.keys.pop("2") not in before.keys.values()
    assert after == before
    assert key_file.read_text().startswith(text)
    assert [path.name for path in key_file.parent.iterdir()] == [key_file.name]


@pytest.mark.parametrize(
    "text",
    [
        f'kek_id = "k"\n[keys]\n1 = "{KEY}"',
        f'kek_id = "k"\r\n[keys]\r\n1 = "{KEY}"\r\n',
        f'\ufeffkek_id = "k"\n[keys] # é\n\n  "1" = "{KEY}" # the first\n\n# the end\n',
        f"kek_id = 'k'\n[keys]\n'1' = '{KEY}'\n[notes]\n1 = 'x'\n",
        f'kek_id = "k"\nkeys.1 = "{KEY}"\nother = """\n1 = 2\n"""\n',
        f'kek_id = "k"\nnote = """\n1 = \\"{KEY}\\"\n"""\n[keys]\n12 = "{KEY}"\n1 = "{KEY}"\n',
        f'[keys]\n0 = "{KEY}"\n[more]\n',
    ],
)
def test_whatever_way_a_key_file_is_written(key_file: Path, text: str) -> None:
    if "kek_id" not in text:
        text = f'kek_id = "k"\n{text}'
    key_file.write_bytes(text.encode())
    before = tomllib.loads(text.removeprefix("\ufeff"))
    newest = rotate_key_file(key_file).newest
    changed = key_file.read_bytes().decode()
    after = tomllib.loads(changed.removeprefix("\ufeff"))
    added = after["keys"].pop(newest)
    assert after == before
    [line] = [line for line in changed.splitlines() if added in line]
    lines = changed.splitlines()
    lines.remove(line)
    assert lines == text.splitlines()
    assert ("\r\n" in text) == ("\r\n" in changed)
    assert rotate_key_file(key_file).newest == str(int(newest) + 1)


@pytest.mark.parametrize("keys", [f'keys = {{ 1 = "{KEY}" }}\n', f'[keys]\n999999999="{KEY}"'])
def test_a_key_file_that_no_line_can_be_added_to(key_file: Path, keys: str) -> None:
    text = f'kek_id = "k"\n{keys}'
    key_file.write_text(text)
    with pytest.raises(kms_core.ConfigError, match="a line of its own") as caught:
        rotate_key_file(key_file)
    assert KEY not in str(caught.value)
    assert key_file.read_text() == text
    assert len([*key_file.parent.iterdir()]) == 1


@given(st.binary() | st.text(alphabet="kek_id=\"'[]{}\n1.Ays #").map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_no_key_file_is_left_as_it_is(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    with pytest.raises(kms_core.ConfigError):
        rotate_key_file(key_file)
    assert key_file.read_bytes() == content


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_its_mode_owner_and_attributes_stay(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    if os.geteuid() == 0:
        os.chown(key_file, 0, 12345)
    try:
        os.setxattr(key_file, "user.note", b"x")
        attributes = True
    except OSError:  # this file system has none
        attributes = False
    before = key_file.stat()
    os.utime(key_file, (1, 1))
    umask = os.umask(0)
    try:
        rotate_key_file(key_file)
    finally:
        os.umask(umask)
    after = key_file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino
    assert after.st_mtime > 1, "backups go by it"
    assert not attributes or os.getxattr(key_file, "user.note") == b"x"


def test_a_link_to_it_stays_one(key_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file)
    rotate_key_file(link)
    assert link.is_symlink()
    assert read_key_file(key_file).newest == "2"


def test_it_is_synchronised_before_and_after_it_gets_its_name(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = recorded(monkeypatch)
    rotate_key_file(key_file)
    assert calls == ["unlink", "fsync", "replace", "fsync"]


@pytest.mark.parametrize("call", ["fchown", "fsync", "utime"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EPERM])
def test_a_failure_leaves_it_as_it_was(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(number, os.strerror(number))

    text = key_file.read_text()
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(kms_core.OperationError):
        rotate_key_file(key_file)
    assert key_file.read_text() == text
    assert len([*key_file.parent.iterdir()]) == 1


def test_a_file_that_is_mounted_by_itself(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_paths: Path) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(kms_core.OperationError, match="where it is mounted from") as caught:
        rotate_key_file(key_file)
    assert not caught.value.retryable
    assert len([*key_file.parent.iterdir()]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a file of root's")
def test_a_file_of_root_is_not_taken_over(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may read it where root lets them, and its folder may be theirs."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(kms_core.AccessDeniedError, match="rotate it as that user"):
        rotate_key_file(key_file)
    assert read_key_file(key_file).newest == "1"


def test_each_of_many_at_once_adds_a_version(key_file: Path) -> None:
    threads = [threading.Thread(target=rotate_key_file, args=[key_file]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_key_file(key_file).keys, key=int) == [str(n) for n in range(1, 10)]


def kill_before(call: int, work: Callable[[], object]) -> bool:
    """Do the work in a process that is killed right before a call of C; say whether it was."""
    child = os.fork()
    if child == 0:
        left = [call]

        def count(_frame: FrameType, event: str, _argument: Any) -> None:
            if event == "c_call":
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        work()
        sys.setprofile(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
def test_a_kill_before_any_call_leaves_a_whole_key_file(key_file: Path) -> None:
    """Every system call is a call of C. What was wrapped before opens after each kill."""
    uri = f"kms://local?keyFile={key_file}"
    with kms_core.open_kek(uri) as kek:
        blob = kek.wrap(b"data", CONTEXT)
    kek_id, text, kills = read_key_file(key_file).kek_id, key_file.read_text(), 0
    seen = set()
    while kill_before(kills, lambda: rotate_key_file(key_file)):
        kills += 1
        found = read_key_file(key_file)
        assert found.kek_id == kek_id
        seen.add(found.newest)
        with kms_core.open_kek(uri) as kek:
            assert kek.unwrap(blob, CONTEXT) == b"data"
        left = {*key_file.parent.iterdir()}
        assert left <= {key_file, key_file.with_name(".tmp-kek.toml")}, "and not one a kill"
        for path in left:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, "what a kill leaves is as private"
        key_file.write_text(text)
    assert kills > 100
    assert seen == {"1", "2"}
    assert rotate_key_file(key_file).newest == "3", "no lock is left"
    assert [*key_file.parent.iterdir()] == [key_file], "no key is left beside it"


def test_an_open_kek_wraps_by_its_new_version(key_file: Path) -> None:
    uri = f"kms://local?keyFile={key_file}"
    with kms_core.open_kek(uri) as kek, kms_core.open_kek(uri) as other:
        blob = kek.wrap(b"data", CONTEXT)
        assert kek.rotation_command() is None
        rotated = kek.rotate()
        assert rotated == kek.describe_kek()
        assert rotated.kek_version == "2"
        again = kek.wrap(b"data", CONTEXT)
        assert {other.unwrap(b, CONTEXT) for b in (blob, again)} == {b"data"}
        assert other.describe_kek() == rotated


def test_another_keks_file_in_its_place(key_file: Path) -> None:
    with kms_core.open_kek(f"kms://local?keyFile={key_file}") as kek:
        key_file.unlink()
        write_private(key_file, text := new_key_file())
        with pytest.raises(kms_core.KekNotFoundError, match="open the KEK again"):
            kek.rotate()
    assert key_file.read_text() == text
