"""kms wrap and kms unwrap, from standard input to standard output."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Kms, clean_environment


@pytest.fixture(autouse=True)
def _initialised(kms: Kms) -> None:
    assert kms("init").code == 0


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    script = [sys.executable, "-c", "from kms_core.cli.main import main; main()", *arguments]
    environment = clean_environment({})
    return subprocess.run(script, input=given, env=environment, capture_output=True, check=False)


def test_there_and_back(kms: Kms, folder: Path) -> None:
    data = bytes(range(256))
    wrapped = run("wrap", "--context", "purpose=x", "--context", "a=b=c", given=data)
    assert (wrapped.returncode, wrapped.stderr) == (0, b"")
    back = run("unwrap", "--context", "a=b=c", "--context", "purpose=x", given=wrapped.stdout)
    assert (back.returncode, back.stdout, back.stderr) == (0, data, b"")
    assert not [*(folder / "deks").iterdir()], "nothing is stored"


@pytest.mark.parametrize("command", ["wrap", "unwrap"])
def test_input_that_cannot_be_read(kms: Kms, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """As of a terminal that is gone; it was told as a failure of standard output."""
    done = kms(command)  # pytest lets nobody read while it captures
    assert (done.code, done.output) == (2, "")
    assert done.error == ("standard input: it cannot be read; give the data as a file or a pipe")
    monkeypatch.setattr(sys, "stdin", None)
    assert kms(command).error == "standard input is closed; give the data as a file or a pipe"


def test_into_a_file(folder: Path) -> None:
    assert run("wrap", "--output", "blob", given=b"data").stdout == b""
    done = run("unwrap", "--output", "data", given=(folder / "blob").read_bytes())
    assert (done.returncode, done.stdout) == (0, b"")
    assert (folder / "data").read_bytes() == b"data"
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o600


@pytest.mark.parametrize("given", [b"", bytes(4097)])
def test_too_little_and_too_much(given: bytes) -> None:
    done = run("wrap", given=given)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"1 to 4064 bytes" in done.stderr


@pytest.mark.parametrize("pair", ["purpose", "", "a=1"])
def test_wrong_pairs(pair: str) -> None:
    done = run("wrap", "--context", "a=1", "--context", pair, given=b"data")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--context is NAME=TEXT" in done.stderr


@pytest.mark.parametrize(
    ("given", "context", "says"),
    [(b"data", "a=1", b"no blob"), (b"", "a=1", b"no blob"), (None, "a=2", b"cannot be unwrapped")],
)
def test_what_cannot_be_unwrapped(given: bytes | None, context: str, says: bytes) -> None:
    blob = run("wrap", "--context", "a=1", given=b"data").stdout if given is None else given
    done = run("unwrap", "--context", context, given=blob)
    assert (done.returncode, done.stdout) == (1, b"")
    assert says in done.stderr
