"""``kms config check`` finds each mistake, and its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import Done, Kms

SECRET = "hunter2hunter2"
Check = Callable[[str], list[str]]


@pytest.fixture
def check(kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.delenv("UNSET", raising=False)

    def check(text: str) -> list[str]:
        (folder / "kms.toml").write_text(text)
        done = kms("config", "check")
        assert (done.code, done.errors) == ((2, "") if done.output else (0, NOTHING))
        assert SECRET not in done.output
        return done.output.splitlines()

    return check


NOTHING = "kms: kms.toml: nothing is wrong\n"
LOCAL = """
[kek]
backend = "local"
keyFile = "kek.toml"
"""
FULL = '''# All that a file may hold.
observers = ["log", { backend = "audit", path = "trail" },
  ]
storage = "storage://memory?createDeks=0"
kek = [
  "kms://local?keyFile=a", # a list
  { backend = "local", keyFile = "${UNSET:-b}", retiredVersions = ["1"] },
]
[cache]
ttl = "${UNSET:-7}"

[profile.a]
kek.backend = "cluster-kms"
kek.key = """
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="""
"kek".salt = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
'''


def test_nothing_is_wrong(check: Check) -> None:
    assert check(LOCAL) == []
    assert check(FULL) == []


def test_what_init_writes_is_right(kms: Kms) -> None:
    kms("init")
    assert kms("config", "check").errors == NOTHING


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        (LOCAL.replace("keyFile", "keyfile"), ["4: *'keyfile'; did you mean 'keyFile'?"]),
        (LOCAL.replace('keyFile = "kek.toml"', ""), ["2: *keyFile is required"]),
        (LOCAL.replace('"local"', '"locl"'), ["3: *did you mean kms://local?"]),
        (LOCAL.replace('"local"', "7"), ["2: *a kms backend is a URI"]),
        (LOCAL.replace("kek.toml", "${UNSET}"), ["4: kek.keyFile: *UNSET is not set"]),
        (LOCAL.replace("kek]", "kec]"), ["1: *names no KEK", "2: *'kec'; did you mean 'kek'?"]),
        ("[kek]\nbackend = 'local'\nkeyFile = 'a\n", ["3: it is not TOML"]),
        (f"{SECRET}", ["1: it is not TOML"]),
        ("kek = 'kms://local'\n\n\nstorage = 'storage://file?pth=x'", ["1: *", "4: *'path'?"]),
        ("profile = 1", ["1: *write [profile.NAME.kek]"]),
        ("[cache]\nmaxUses = 1\nttl = -1\n" + LOCAL, ["3: cache: ttl is a number"]),
        ("[cache]\nttl = 1\nttll = 1\n" + LOCAL, ["1: cache: *'ttll'; did you mean 'ttl'?"]),
        ("kek = []", ["1: *the list of KEKs is empty"]),
        ("observers = 'log'\n" + LOCAL, ["1: *observers is a list"]),
        (LOCAL + "[storage]\nbackend = 'file'\npath = 'x'\ncreateDeks = 'no'", ["8: *createDeks"]),
    ],
)
def test_one_mistake(check: Check, text: str, mistakes: list[str]) -> None:
    found = check(text)
    assert len(found) == len(mistakes)
    for line, mistake in zip(found, mistakes, strict=True):
        begin, _, rest = mistake.partition("*")
        assert line.startswith(f"kms.toml:{begin}")
        assert rest in line


MANY = f"""
[kek]
backend = "aws"
regoin = "eu-central-1"
keyName = ""
readTimeout = 0
maxAttempts = "${{UNSET}}"
{SECRET} = 1

[storage]
# A comment.
backend = "aws"
region = "eu central"
bucket = "${{UNSET}}"

[profile.one]
storag = "storage://memory"

[[profile.two.kek]]
backend = "local"
keyFile = "a"

[[profile.two.kek]]
backend = "cluster-kms"
keyFile = "nowhere"

[[profile.three.kek]]
backend = "local"
keyFile = "a"

[[profile.three.kek]]
backend = "cluster-kms"
key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
salt = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""


def test_all_mistakes_at_once(check: Check) -> None:
    pytest.importorskip("kms_aws")
    lines = [line.split(":")[1] for line in check(MANY)]
    assert lines == ["4", "5", "6", "7", "8", "13", "14", "16", "17", "25", "27"]


def test_no_file(kms: Kms) -> None:
    assert "there is no config file" in kms("config", "check").error
    assert "No such file" in kms("--config", "x", "config", "check").error


def test_a_file_elsewhere(kms: Kms, folder: Path) -> None:
    (folder / "a.toml").write_text("kek = 1")
    done: Done = kms("config", "check", KMS_CONFIG=str(folder / "a.toml"))
    assert done.output.startswith(f"{folder / 'a.toml'}:1: a kms backend is")
