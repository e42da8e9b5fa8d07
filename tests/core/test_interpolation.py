"""Environment variables in the texts of a config file, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

import kms_core
from kms_core._config.choices import load_choices
from tests.mistakes import everything_in

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KMS_CONFIG", "KMS_KEK_URI", "KMS_STORAGE_URI", "KMS_PROFILE", "X", "EMPTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NAME", "here & there\n")
    monkeypatch.setenv("EMPTY", " ")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kms.toml"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${NAME}", "here & there"),
        ("a/${NAME}/b/${NAME}", "a/here & there/b/here & there"),
        ("${NAME:-x}", "here & there"),
        ("${X:-a b:-c}", "a b:-c"),
        ("${EMPTY:-x}", "x"),
        ("${X:-}", ""),
        ("$${NAME}", "${NAME}"),
        ("$NAME $$ a$1 $", "$NAME $$ a$1 $"),
    ],
)
def test_what_a_text_becomes(path: Path, written: str, read: str) -> None:
    path.write_text(f"[kek]\nbackend = 'a'\nb = '{written}'\nc = [{{d = '{written}'}}, 7]\n")
    [kek] = load_choices(config=path).keks
    assert kek.parameters == {"b": read, "c": [{"d": read}, 7]}
    assert kek.written.keys() == (set() if written == read else {"b", "c"})


def test_what_a_variable_says_is_not_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "${NAME}")
    path.write_text("kek = 'kms://a?b=${X}'\nstorage = '${Y:-storage://c}'")
    found = load_choices(config=path)
    assert found.keks[0].parameters == {"b": "${NAME}"}
    monkeypatch.setenv("Y", "storage://c?d=${X}")
    assert load_choices(config=path).storage.parameters == {"d": "${X}"}


def test_in_a_uri_a_variable_is_of_one_parameter(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could otherwise name another bucket with an ampersand."""
    monkeypatch.setenv("X", "a&bucket=b+%20#")
    path.write_text("kek = 'kms://a?b=${X}&c=d'")
    assert load_choices(config=path).keks[0].parameters == {"b": "a&bucket=b+%20#", "c": "d"}


def test_the_name_of_a_backend(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "audit")
    path.write_text("observers = ['${X}']\n[kek]\nbackend = '${Z:-local}'\n")
    found = load_choices(config=path)
    assert (found.keks[0].name, found.observers[0].name) == ("local", "audit")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[kek]\nbackend = 'a'\nb = '${X}'", "kek.b"),
        ("kek = 'kms://a?b=${X}'", "kek.b"),
        ("kek = '${X}'", "kek"),
        ("[[kek]]\nbackend = 'a'\n[[kek]]\nbackend = 'a'\nb = '${X}'", "kek[2].b"),
        ("[kek]\nbackend = 'a'\n[storage]\nbackend = '${X}'", "storage.backend"),
        ("[kek]\nbackend = 'a'\n[storage]\nbackend = 'b'\nt = {u = '${X}'}", "storage.t.u"),
        ("observers = [{backend = 'log', logger = '${X}'}]", "observers[1].logger"),
        ("cache = {ttl = '${X}'}", "cache.ttl"),
    ],
)
def test_an_unset_one_is_named_with_its_place(path: Path, text: str, place: str) -> None:
    path.write_text(text)
    with pytest.raises(kms_core.ConfigError) as caught:
        load_choices(config=path)
    assert str(caught.value).startswith(f"{path}: {place}: the environment variable X is not set")
    path.write_text(text.replace("X", "EMPTY"))
    with pytest.raises(kms_core.ConfigError, match="variable EMPTY is not set, or is empty"):
        load_choices(config=path)


@pytest.mark.parametrize("written", ["${", "${}", "${1}", "${A B}", "${X:-${NAME}}", "${X:=b}"])
def test_a_malformed_one(path: Path, written: str) -> None:
    path.write_text(f"[kek]\nbackend = 'a'\nb = '{written} {SECRET}'")
    with pytest.raises(kms_core.ConfigError, match=r"kek\.b: write \$\{NAME\} or ") as caught:
        kms_core.open_kms(config=path)
    assert SECRET not in everything_in(caught.value)


def test_no_error_shows_what_a_variable_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    for value in ("${SECRET}${X}", "${SECRET}"):
        path.write_text(f"[kek]\nbackend = 'cluster-kms'\nkey = '{value}'\nsalt = 'x'")
        with pytest.raises(kms_core.ConfigError) as caught:
            kms_core.open_kms(config=path)
        assert SECRET not in everything_in(caught.value)


def test_what_a_program_or_a_variable_gives_is_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"backend": "a", "b": "${NAME}"}
    for kek in (given, "kms://a?b=${NAME}"):
        assert load_choices(kek=kek).keks[0].parameters == {"b": "${NAME}"}
    monkeypatch.setenv("KMS_KEK_URI", "kms://a?b=${NAME}")
    assert load_choices().keks[0].parameters == {"b": "${NAME}"}


def test_bytes_that_are_no_text(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "a\udcff")
    path.write_text("kek = 'kms://a?b=${X}'")
    with pytest.raises(kms_core.ConfigError, match="variable X is not UTF-8 text"):
        load_choices(config=path)


def test_numbers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "1.5")
    path.write_text("kek = 'kms://a'\ncache = {ttl = '${X}', maxUses = '${Y:-7}'}")
    cache = load_choices(config=path).cache
    assert cache is not None
    assert (cache.ttl, cache.max_uses) == (1.5, 7)
    path.write_text("kek = 'kms://a'\ncache = {ttl = '${Y:-soon}'}")
    with pytest.raises(kms_core.ConfigError, match=r"cache: ttl is a number"):
        load_choices(config=path)
