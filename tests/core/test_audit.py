"""An audit trail shows whatever is done to it, and outlives whoever writes it."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import resource
import signal
import stat
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kms_core
from kms_core.backend import Event
from kms_core.builtin.audit.chain import Head, Sealer
from kms_core.builtin.audit.observer import AuditObserver, _Writer
from kms_core.builtin.audit.verify import Finding, Verifier

KEY = "k" * 32


def event(dek_id: str = "volume-42", **more: Any) -> Event:
    return Event(7, "get_dek", "kms://local", dek_id, "done", 0.25, **more)


def make_lines(count: int, sealer: Sealer | None = None) -> list[bytes]:
    head, lines = Head("0" * 16, 0, "0" * 64), []
    for number in range(count):
        fields = {"operation": "get_dek", "dek_id": f"volume-{number}"}
        line, head = (sealer or Sealer()).write_line(fields, head)
        lines.append(line)
    return lines


def verify(*texts: bytes, key: str = "", heads: Iterable[Head] = ()) -> list[Finding]:
    verifier = Verifier(Sealer(key.encode() or None), heads)
    found = [finding for text in texts for finding in verifier.read(io.BytesIO(text))]
    return [*found, *verifier.finish()]


def head_of(text: bytes) -> Head:
    verifier = Verifier(Sealer())
    assert [*verifier.read(io.BytesIO(text))] == []
    [head] = verifier.heads
    return head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def open_trail(path: Path) -> Callable[..., AuditObserver]:
    return lambda **more: AuditObserver(AuditObserver.Config(path=path, **more))


def test_a_line_for_each_operation(path: Path, key_file: Path) -> None:
    uri = f"kms://local?keyFile={key_file}"
    observers = [{"backend": "audit", "path": str(path)}]
    token = kms_core.caller.set("alice")
    with kms_core.open_kms(uri, "storage://memory", observers=observers) as kms:
        dek = kms.create_dek("volume\u202e42")
        kek = kms.describe_kek()
        with pytest.raises(kms_core.DekNotFoundError):
            kms.get_dek("volume-43")
    kms_core.caller.reset(token)
    assert verify(path.read_bytes()) == []
    made, described, missing = map(json.loads, path.read_bytes().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", made["time"])
    assert {
        "operation": "create_dek",
        "backend": "kms://local",
        "dek_id": "volume\u202e42",
        "kek_id": kek.kek_id,
        "kek_version": kek.kek_version,
        "outcome": "done",
        "made": True,
        "caller": "alice",
        "number": 1,
    }.items() <= made.items()
    assert "\u202e".encode() not in path.read_bytes()
    assert described["operation"] == "describe_kek"
    assert (missing["outcome"], missing["error"]) == ("failed", "DekNotFoundError")
    assert dek.hex() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_hooks_if_they_are_asked_for(path: Path, key_file: Path) -> None:
    observers = [f"observer://audit?path={path}&hooks=true&fsync=true"]
    uri = f"kms://local?keyFile={key_file}"
    with kms_core.open_kms(uri, "storage://memory", observers=observers) as kms:
        kms.create_dek("a")
    *lines, _, _ = map(json.loads, path.read_bytes().splitlines())
    hooks = ["wrap_dek", "unwrap_dek", "create_record", "create_dek"]
    assert [line["operation"] for line in lines] == hooks
    assert {line["parent"] for line in lines[:-1]} == {lines[-1]["call"]}


def test_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    trail = AuditObserver(AuditObserver.Config())
    trail.observe(event())
    trail.observe(event())
    written = capsys.readouterr().err.encode()
    assert len(written.splitlines()) == 2
    assert verify(written) == []


class Tampered(list[bytes]):
    """A trail after its tampering, and the line that is the first to show it."""

    line = 0


@st.composite
def tampered(draw: st.DrawFn, lines: list[bytes]) -> Tampered:
    trail, last = Tampered(lines), len(lines) - 1
    at = draw(st.integers(0, last))
    match draw(st.sampled_from(["change", "drop", "double", "swap"])):
        case "change":
            place = draw(st.integers(0, len(lines[at]) - 1))
            byte = bytes([draw(st.integers(0, 255))])
            changed = lines[at][:place] + byte + lines[at][place + 1 :]
            trail[at] = changed if changed != lines[at] else b"{}\n"
            trail.line = at + 1
        case "drop" if at < last:
            del trail[at]
            trail.line = at + 1
        case "swap" if at < last:
            other = draw(st.integers(at + 1, last))
            trail[at], trail[other] = trail[other], trail[at]
            trail.line = at + 1
        case _:
            other = draw(st.integers(at + 1, last + 1))
            trail.insert(other, lines[at])
            trail.line = other + 1
    return trail


LINES, KEYED_LINES = make_lines(6), make_lines(6, Sealer(KEY.encode()))


@given(tampered(LINES), st.integers(0, 6))
def test_whatever_is_tampered_with_is_found_and_named(trail: Tampered, cut: int) -> None:
    heads = [head_of(b"".join(LINES))]
    assert verify(b"".join(LINES), heads=heads) == []
    found = verify(b"".join(trail), heads=heads)
    assert found[0].line == trail.line
    assert any(finding.is_broken for finding in found)
    in_two = verify(b"".join(trail[:cut]), b"".join(trail[cut:]), heads=heads)
    assert any(finding.is_broken for finding in in_two)


@given(tampered(KEYED_LINES))
def test_nobody_without_the_key_makes_a_line(trail: Tampered) -> None:
    assert verify(b"".join(KEYED_LINES), key=KEY) == []
    assert len(verify(b"".join(KEYED_LINES))) == 6
    assert verify(b"".join(trail), key=KEY)[0].line == trail.line


def test_a_changed_line_with_a_new_hash_shows_at_the_next() -> None:
    line, _ = Sealer().write_line({"operation": "nothing"}, head_of(b"".join(LINES[:2])))
    [finding] = verify(b"".join([*LINES[:2], line, *LINES[3:]]))
    assert (finding.line, finding.is_broken) == (4, True)


def test_a_cut_end_shows_against_a_head_alone() -> None:
    assert verify(b"".join(LINES[:4])) == []
    [finding] = verify(b"".join(LINES[:4]), heads=[head_of(b"".join(LINES))])
    assert "line 6" in finding.problem
    assert verify(b"".join(LINES), heads=[head_of(b"".join(LINES[:4]))]) == []


def test_another_line_than_was_noted() -> None:
    other = Head("0" * 16, 3, "1" * 64)
    assert [f.line for f in verify(b"".join(LINES), heads=[other])] == [3]
    assert [f.line for f in verify(b"".join(LINES[3:]), heads=[other])] == [1]


def test_a_trail_without_its_first_files() -> None:
    [finding] = verify(b"".join(LINES[2:]))
    assert (finding.line, finding.is_broken) == (1, True)
    assert verify(b"".join(LINES[2:]), heads=[head_of(b"".join(LINES[:2]))]) == []


@pytest.mark.parametrize("head", ["", "0:1:2", f"{'0' * 16}:-1:{'0' * 64}"])
def test_what_is_no_head(head: str) -> None:
    with pytest.raises(ValueError, match="CHAIN:NUMBER:HASH"):
        Head.parse(head)


def test_the_chain_goes_on_after_a_torn_line(
    path: Path, open_trail: Callable[..., AuditObserver]
) -> None:
    for number in range(3):
        open_trail().observe(event(f"volume-{number}"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    [torn] = verify(path.read_bytes())
    assert (torn.line, torn.is_broken) == (3, False)
    path.with_name("audit.jsonl.head").unlink()
    open_trail().observe(event("afterwards"))
    open_trail().observe(event("later"))
    [torn] = verify(path.read_bytes())
    assert (torn.line, torn.is_broken) == (3, False)
    assert path.read_bytes().count(b"\n") == 5


def test_a_line_whose_writer_died_before_it_noted_the_head(
    path: Path, open_trail: Callable[..., AuditObserver]
) -> None:
    note = path.with_name("audit.jsonl.head")
    open_trail().observe(event())
    before = note.read_bytes()
    open_trail().observe(event())
    note.write_bytes(before)
    open_trail().observe(event())
    assert verify(path.read_bytes()) == []
    note.write_bytes(b"\0" * 128)
    open_trail().observe(event())
    assert verify(path.read_bytes()) == []
    assert head_of(path.read_bytes()).number == 4


@pytest.mark.parametrize(("kept", "lost"), [(2, "number 3 is"), (1, "numbers 2 to 3 are")])
def test_a_trail_that_lost_its_end_shows_it(
    path: Path, open_trail: Callable[..., AuditObserver], kept: int, lost: str
) -> None:
    for _ in range(3):
        open_trail().observe(event())
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept]))
    open_trail().observe(event())
    [finding] = verify(path.read_bytes())
    assert finding.problem == f"{lost} missing before it"


@pytest.mark.parametrize("how", ["rename", "rename and create", "copy and truncate"])
def test_rotation(path: Path, open_trail: Callable[..., AuditObserver], how: str) -> None:
    rotated = path.with_name("audit.jsonl.1")
    first = open_trail()
    first.observe(event())
    if how == "copy and truncate":
        rotated.write_bytes(path.read_bytes())
        path.write_bytes(b"")
    else:
        path.rename(rotated)
    if how == "rename and create":
        path.touch(0o600)
    open_trail().observe(event())  # another process, who never saw the first file
    first.observe(event())
    assert verify(rotated.read_bytes(), path.read_bytes()) == []
    assert len(path.read_bytes().splitlines()) == 2


def fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            work()
        finally:
            os._exit(0)
    return child


def test_threads_and_processes(path: Path, open_trail: Callable[..., AuditObserver]) -> None:
    trail = open_trail()

    def write_many(name: str) -> None:
        for number in range(25):
            trail.observe(event(f"{name}-{number}"))

    def write_in_threads() -> None:
        with ThreadPoolExecutor(4) as pool:
            [*pool.map(write_many, (f"{os.getpid()}-{thread}" for thread in range(4)))]

    children = [fork(write_in_threads) for _ in range(3)]
    write_in_threads()
    for child in children:
        os.waitpid(child, 0)
    assert verify(path.read_bytes()) == []
    ids = [json.loads(line)["dek_id"] for line in path.read_bytes().splitlines()]
    assert len(ids) == len({*ids}) == 400


def test_killed_in_a_storm(
    path: Path, open_trail: Callable[..., AuditObserver], *, long: bool
) -> None:
    """Each writer says what it has written; all that was said is there, and the chain is whole."""
    trail, said = open_trail(), 0
    for _ in range(300 if long else 10):
        reader, writer = os.pipe()

        def write(writer: int = writer) -> None:
            while True:
                trail.observe(event("x" * 200))
                os.write(writer, b".")

        children = [fork(write) for _ in range(3)]
        os.close(writer)
        time.sleep(0.02)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with os.fdopen(reader, "rb") as pipe:
            said += len(pipe.read())
    trail.observe(event("afterwards"))
    torn = verify(path.read_bytes())
    assert [finding for finding in torn if finding.is_broken] == []
    assert head_of(_without(torn, path.read_bytes())).number > said


def _without(torn: Iterable[Finding], text: bytes) -> bytes:
    dropped = {finding.line for finding in torn}
    lines = text.splitlines(keepends=True)
    return b"".join(line for number, line in enumerate(lines, 1) if number not in dropped)


class FaultyTrail:
    def __init__(self) -> None:
        self.lines: list[Mapping[str, object]] = []
        self.failures: Iterator[BaseException | Callable[[], object]] = iter(())

    def append(self, fields: Mapping[str, object]) -> None:
        failure = next(self.failures, None)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            failure()
        self.lines.append(fields)


def test_a_signal_handler_that_asks_for_a_dek_meanwhile() -> None:
    trail = FaultyTrail()
    writer = _Writer(trail)
    trail.failures = iter([lambda: writer.write({"from": "handler"})])
    writer.write({"from": "program"})
    assert trail.lines == [{"from": "program"}, {"from": "handler"}]


def test_what_an_interrupt_left_is_written_at_the_end() -> None:
    trail = FaultyTrail()
    trail.failures = iter([KeyboardInterrupt()])
    writer = _Writer(trail)
    with pytest.raises(KeyboardInterrupt):
        writer.write({"number": 1})
    writer.flush()
    assert trail.lines == [{"number": 1}]


def test_lines_that_were_lost_are_counted() -> None:
    trail = FaultyTrail()
    trail.failures = iter([OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full")])
    writer = _Writer(trail)
    for number in range(2):
        with pytest.raises(OSError, match="full"):
            writer.write({"number": number})
    writer.write({"number": 2})
    writer.write({"number": 3})
    assert trail.lines == [{"number": 2, "lost": 2}, {"number": 3}]


def test_a_full_disk(
    path: Path,
    key_file: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri = f"kms://local?keyFile={key_file}"
    write = os.write
    with kms_core.open_kms(
        uri, "storage://memory", observers=[{"backend": "audit", "path": str(path)}]
    ) as kms:
        kms.create_dek("a")
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda file, data: write(file, data[:50]))
            for _ in range(3):
                assert len(kms.get_dek("a")) == 32
        kms.get_dek("a")
    [logged] = caplog.messages
    assert "UnavailableError" in logged
    assert "audit.jsonl: No space left on device; free some space" in logged
    assert json.loads(path.read_bytes().splitlines()[-1])["lost"] == 3
    assert [finding.is_broken for finding in verify(path.read_bytes())] == [False] * 3


def test_a_trail_that_cannot_be_opened(tmp_path: Path, key_file: Path) -> None:
    observers = [{"backend": "audit", "path": str(tmp_path / "missing" / "audit.jsonl")}]
    with pytest.raises(kms_core.OperationError, match="create the folder"):
        kms_core.open_kms(
            f"kms://local?keyFile={key_file}", "storage://memory", observers=observers
        )


def test_a_short_key(path: Path, key_file: Path) -> None:
    observers = [{"backend": "audit", "path": str(path), "key": "short"}]
    with pytest.raises(kms_core.ConfigError, match="fewer than 32 bytes"):
        kms_core.open_kms(
            f"kms://local?keyFile={key_file}", "storage://memory", observers=observers
        )


def test_memory_does_not_grow_with_the_trail(path: Path, *, long: bool) -> None:
    count = 1_000_000 if long else 5_000
    head = Head.of_new_chain()
    with path.open("wb") as file:
        for number in range(count):
            line, head = Sealer().write_line({"dek_id": f"volume-{number}"}, head)
            file.write(line)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if not long:
        tracemalloc.start()
    with path.open("rb") as file:
        verifier = Verifier(Sealer())
        assert [*verifier.read(file)] == []
    assert verifier.heads == [head]
    if long:  # tracemalloc would take minutes
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024
    else:
        assert tracemalloc.get_traced_memory()[1] < 2**19
        tracemalloc.stop()


@pytest.mark.parametrize("fsync", [True, False])
def test_lines_are_synchronised_where_that_is_asked_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, fsync: bool
) -> None:
    seen, real = [], os.fsync

    def record(file: int) -> None:
        seen.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        real(file)

    observer = AuditObserver(AuditObserver.Config(path=path, fsync=fsync))
    monkeypatch.setattr(os, "fsync", record)
    for _ in "12":
        observer.observe(event())
    observer.close()
    assert seen.count(str(path)) == 2 * fsync
    assert (str(path.parent) in seen) == fsync
