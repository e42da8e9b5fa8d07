"""Completion in real shells, as a user types."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.cli.running import COMMAND, Kms, clean_environment

PROFILES = "[profile.production]\n[profile.test]\n"
ASKED = [
    ("conf", ["config"]),
    ("config sch", ["config", "schema"]),
    ("dek migrate --to-pro", ["dek", "migrate", "--to-profile"]),
    ("--profile pr", ["--profile", "production"]),
    ("--kek kms://loc", ["--kek", "kms://local"]),
    ("--kek=kms://loc", ["--kek=kms://local"]),
    (
        "--kek 'kms://x' --storage storage://mem",
        ["--kek", "kms://x", "--storage", "storage://memory"],
    ),
    (
        "--kek kms://x --storage storage://mem",
        ["--kek", "kms://x", "--storage", "storage://memory"],
    ),
    ("--config oth", ["--config", "other.toml"]),
]
OPTIONS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "-i"],
}
# The script runs the program itself; what is typed runs a function, which shows what it is given.
SHOW = "printf 'ran'; printf '<%s>'"
BEGIN = {
    "bash": f'eval "$(kms completion bash)"; kms() {{ {SHOW} "$@"; echo; }}',
    "zsh": "autoload -U compinit; compinit -D; "
    f'eval "$(kms completion zsh)"; kms() {{ {SHOW} "$@"; echo; }}',
    "fish": f"kms completion fish | source; function kms; {SHOW} $argv; echo; end",
}


@pytest.fixture(params=OPTIONS)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[pexpect.spawn]:
    """An interactive shell in a folder with a config file."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"this machine has no {name}")
    (folder / "kms.toml").write_text(PROFILES)
    (folder / "other.toml").write_text(PROFILES)
    environment = clean_environment({"HOME": str(folder), "TERM": "dumb", "INPUTRC": "/dev/null"})
    environment["PATH"] = f"{COMMAND.parent}{os.pathsep}{environment['PATH']}"
    started = pexpect.spawn(
        name, OPTIONS[name], env=environment, encoding="utf-8", timeout=120, dimensions=(50, 300)
    )
    started.sendline(f"{BEGIN[name]}; echo be''gun")
    started.expect_exact("begun")
    yield started
    started.kill(signal.SIGHUP)
    started.wait()  # a busy machine takes its time, and close() alone takes that for a failure
    started.close()


def test_what_is_typed_is_completed(shell: pexpect.spawn) -> None:
    """One shell for all: to start it takes longer than to ask."""
    for typed, completed in ASKED:
        shell.send(f"kms {typed}\t")
        shell.send("\r")
        shell.expect_exact(f"ran{''.join(f'<{word}>' for word in completed)}")


def test_a_profile_of_the_file_that_is_named(kms: Kms, folder: Path) -> None:
    (folder / "a.toml").write_text("[profile.a]\n")
    asked = {"_KMS_COMPLETE": "fish_complete", "COMP_CWORD": ""}
    assert kms(COMP_WORDS="kms --config a.toml --profile ", **asked).output == "plain,a\n"
    assert kms(COMP_WORDS="kms --profile ", **asked).output == "\n"
    done = kms(COMP_WORDS="kms --profile ", KMS_CONFIG="a.toml", **asked)
    assert done.output == "plain,a\n"
    (folder / "a.toml").write_text("it is none")
    assert kms(COMP_WORDS="kms --config a.toml --profile ", **asked).output == "\n"


def test_another_shell(kms: Kms) -> None:
    assert "'bash', 'zsh', 'fish'" in kms("completion", "tcsh").error
