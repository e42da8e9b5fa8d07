"""Arguments, a TOML file and the environment, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core._config.choices import load_choices
from kms_core.builtin.local.key_file import new_key_file
from tests.mistakes import everything_in

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KMS_CONFIG", "KMS_KEK_URI", "KMS_STORAGE_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kms.toml"
    path.write_text(
        'observers = ["log"]\n[kek]\nbackend = "local"\nkeyFile = "kek.toml"\n'
        '[storage]\nbackend = "file"\npath = "deks"\n'
    )
    return path


def test_a_file(config: Path, tmp_path: Path) -> None:
    found = load_choices(config=config)
    assert (found.keks[0].backend, dict(found.keks[0].parameters)) == (
        "kms://local",
        {"keyFile": "kek.toml"},
    )
    assert found.storage.backend == "storage://file"
    assert [o.backend for o in found.observers] == ["observer://log"]
    assert found.keks[0].folder == tmp_path


def test_uris_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "kms.toml"
    path.write_text('kek = "kms://local?keyFile=k"\nstorage = "storage://file?path=d"\n')
    found = load_choices(config=path)
    assert dict(found.storage.parameters) == {"path": "d"}


def test_an_argument_replaces_its_part_of_the_file(config: Path) -> None:
    found = load_choices(config=config, storage={"backend": "memory"})
    assert (found.keks[0].name, found.storage.name) == ("local", "memory")
    found = load_choices(config=config, kek="kms://cluster-kms", observers=[])
    assert (found.keks[0].name, found.storage.name) == ("cluster-kms", "file")


def test_without_storage_there_is_none() -> None:
    assert load_choices(kek="kms://cluster-kms").storage.backend == "storage://no-store"


def test_the_environment(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    monkeypatch.setenv("KMS_CONFIG", str(config))
    assert load_choices().keks[0].name == "local"
    monkeypatch.setenv("KMS_KEK_URI", "kms://cluster-kms")
    monkeypatch.setenv("KMS_STORAGE_URI", "storage://memory")
    found = load_choices()
    assert (found.keks[0].name, found.storage.name) == ("cluster-kms", "memory")


def test_the_environment_adds_nothing_to_arguments(
    monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    monkeypatch.setenv("KMS_CONFIG", str(config))
    monkeypatch.setenv("KMS_STORAGE_URI", "storage://memory")
    assert load_choices(kek="kms://local").storage.name == "no-store"
    monkeypatch.delenv("KMS_CONFIG")
    assert load_choices(config=config).storage.name == "file"


def test_nothing_configured() -> None:
    with pytest.raises(kms_core.ConfigError, match="kms init"):
        load_choices()


@pytest.mark.parametrize(
    "text",
    [
        f'kek = "{SECRET}"',
        f'[kek]\nkey = "{SECRET}"',
        f'[kek]\nbackend = 7\nkey = "{SECRET}"',
        f'[kek]\nbackend = "local"\nkey = "{SECRET}',
        f'[kec]\nkey = "{SECRET}"',
        f'observers = "{SECRET}"\n[kek]\nbackend = "local"',
        f'observers = ["{SECRET}!"]\n[kek]\nbackend = "local"',
        f"kek = 3 # {SECRET}",
        f"{SECRET}",
    ],
)
def test_a_wrong_file_says_so_and_shows_no_secret(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kms.toml"
    path.write_text(text)
    with pytest.raises(kms_core.ConfigError) as caught:
        load_choices(config=path)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_file_that_is_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match=r"No such file.*`kms init`"):
        load_choices(config=tmp_path / "kms.toml")
    (tmp_path / "kms.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(kms_core.ConfigError, match="UTF-8"):
        load_choices(config=tmp_path / "kms.toml")
    with pytest.raises(kms_core.ConfigError, match="cannot read"):
        load_choices(config=tmp_path)


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(kms_core.ConfigError):
        load_choices(config=path)


def test_reprs_show_no_parameter() -> None:
    found = load_choices(kek=f"kms://x?key={SECRET}", storage={"backend": "y", "key": SECRET})
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "{secret} = 1",
        '[kek]\nbackend = "kms://cluster-kms?key={secret}"',
        '["{secret}"]\na = 1\n["{secret}"]\na = 2',
        "kek = {secret}",
        'kek = "kms://cluster-kms?{secret}"',
    ],
)
def test_no_message_shows_a_secret_that_stands_in_the_wrong_place(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "kms.toml"
    path.write_text(text.format(secret=SECRET))
    with pytest.raises(kms_core.ConfigError) as caught:
        kms_core.open_kms(config=path)
    assert SECRET not in everything_in(caught.value)


def test_no_message_shows_a_uri_that_was_given_as_a_file() -> None:
    with pytest.raises(kms_core.ConfigError, match="give it as kek") as caught:
        kms_core.open_kms(config=f"kms://cluster-kms?key={SECRET}")
    assert SECRET not in everything_in(caught.value)


@pytest.mark.parametrize(
    "text",
    ["kek = " + "[" * 20_000 + "]" * 20_000, "kek = {backend = 'local', a = " + "9" * 9_999 + "}"],
)
def test_a_file_that_no_parser_takes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kms.toml"
    path.write_text(text)
    with pytest.raises(kms_core.ConfigError, match="TOML"):
        kms_core.open_kms(config=path)


@pytest.mark.parametrize("path", ["a\0b", "a\udc00b", "a" * 5_000])
def test_a_path_that_no_file_has(path: str) -> None:
    with pytest.raises(kms_core.ConfigError):
        kms_core.open_kms(config=path)
    with pytest.raises(kms_core.ConfigError if len(path) < 10 else kms_core.OperationError):
        kms_core.open_kms({"backend": "local", "keyFile": path})


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text("\ufeff" + new_key_file(), encoding="utf-8")
    path = tmp_path / "kms.toml"
    path.write_text('\ufeffkek = "kms://local?keyFile=kek.toml"', encoding="utf-8")
    with kms_core.open_kms(config=path, storage="storage://memory") as kms:
        assert kms.describe_kek().kek_version == "1"


def test_white_space_around_what_a_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell, a Kubernetes secret or an .env file leaves it."""
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    monkeypatch.setenv("KMS_KEK_URI", f"kms://local?keyFile={key_file}\n")
    with kms_core.open_kek() as kek:
        assert kek.describe_kek().kek_version == "1"


def test_observers_that_are_text() -> None:
    with pytest.raises(kms_core.ConfigError, match="is a list"):
        kms_core.open_kms("kms://local?keyFile=kek.toml", observers="log")
