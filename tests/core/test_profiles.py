"""Several configurations in one file."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import kms_core
import kms_core.aio
from kms_core._config.choices import load_choices
from kms_core.builtin.local.key_file import new_key_file
from tests.secret_files import write_private

TEXT = """
observers = ["log"]
kek = "kms://a"
storage = "storage://b"

[cache]
ttl = 5

[profile.test.kek]
backend = "c"
d = "${ONLY_IN_TEST}"

[profile.prod]
kek = ["kms://e", "kms://f"]
storage = "storage://g"
observers = []
cache = { ttl = 0 }

[profile.watched]
observers = ["otel"]
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KMS_CONFIG", "KMS_KEK_URI", "KMS_STORAGE_URI", "KMS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "kms.toml"
    path.write_text(TEXT)
    return path


def test_what_is_outside_is_the_default(path: Path) -> None:
    """And a variable that only another profile needs may be unset."""
    found = load_choices(config=path)
    assert (found.keks[0].name, found.storage.name) == ("a", "b")


def test_a_profile(path: Path) -> None:
    found = load_choices(config=path, profile="prod")
    assert [kek.name for kek in found.keks] == ["e", "f"]
    assert (found.storage.name, found.observers, found.cache) == ("g", (), None)
    assert found.keks[0].folder == path.parent


def test_a_profile_has_the_observers_and_the_cache_but_never_the_store_from_outside(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_IN_TEST", "x")
    found = load_choices(config=path, profile="test")
    assert (found.keks[0].name, found.storage.name) == ("c", "no-store")
    assert [observer.name for observer in found.observers] == ["log"]
    assert found.cache is not None


def test_an_unset_variable_is_named_with_its_profile(path: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match=r"profile\.test\.kek\.d: the environment"):
        load_choices(config=path, profile="test")


def test_a_profile_that_is_not_there(path: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match="no profile 'tset'; it has test, prod, watched"):
        load_choices(config=path, profile="tset")
    path.write_text("kek = 'kms://a'")
    with pytest.raises(kms_core.ConfigError, match="no profile 'test'; it has no profile"):
        load_choices(config=path, profile="test")


def test_a_profile_without_a_kek(path: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match=r"add \[profile\.watched\.kek\]"):
        load_choices(config=path, profile="watched")
    assert load_choices(config=path, profile="watched", kek="kms://x").keks[0].name == "x"


def test_a_file_of_profiles_alone(path: Path) -> None:
    path.write_text("profile.a.kek = 'kms://a'\nprofile.b.kek = 'kms://b'\n")
    with pytest.raises(kms_core.ConfigError, match=r"outside of its profiles; .*KMS_PROFILE: a, b"):
        load_choices(config=path)
    assert load_choices(config=path, profile="b").keks[0].name == "b"


@pytest.mark.parametrize("text", ["profile = 1", "[profile]\nkek = 'kms://a'"])
def test_profiles_that_are_no_tables(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(kms_core.ConfigError, match=r"write \[profile\.NAME\.kek\]"):
        load_choices(config=path, profile="a")


def test_an_unknown_table_of_a_profile(path: Path) -> None:
    path.write_text("[profile.a.storag]\nbackend = 'b'")
    with pytest.raises(kms_core.ConfigError, match=r"profile\.a: table 1 is 'storag'; did you"):
        load_choices(config=path, profile="a")


def test_the_variable_chooses_where_the_environment_names_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KMS_PROFILE", "prod")
    assert load_choices(config=path).keks[0].name == "a"
    monkeypatch.setenv("KMS_CONFIG", str(path))
    assert load_choices().keks[0].name == "e"
    assert load_choices(kek="kms://x").keks[0].name == "x"
    monkeypatch.setenv("ONLY_IN_TEST", "x")
    assert load_choices(profile="test").keks[0].name == "c"
    monkeypatch.setenv("KMS_STORAGE_URI", "storage://y")
    assert load_choices().storage.name == "y"


def test_a_profile_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(kms_core.ConfigError, match="'prod' is one of a config file"):
        load_choices(kek="kms://a", profile="prod")
    monkeypatch.setenv("KMS_PROFILE", "prod")
    monkeypatch.setenv("KMS_KEK_URI", "kms://a")
    with pytest.raises(kms_core.ConfigError, match="KMS_CONFIG"):
        load_choices()


def test_every_way_to_open(path: Path) -> None:
    write_private(path.with_name("kek.toml"), new_key_file())
    path.write_text(
        '[profile.a]\nkek = "kms://local?keyFile=kek.toml"\nstorage = "storage://memory"'
    )
    with (
        kms_core.open_kms(config=path, profile="a") as kms,
        kms_core.open_kek(config=path, profile="a") as kek,
    ):
        kek_id = kek.describe_kek().kek_id
        assert kms.describe_kek().kek_id == kek_id
    assert anyio.run(_kek_ids, path) == (kek_id, kek_id)


async def _kek_ids(path: Path) -> tuple[str, str]:
    async with (
        kms_core.aio.open_kms(config=path, profile="a") as kms,
        kms_core.aio.open_kek(config=path, profile="a") as kek,
    ):
        return (await kms.describe_kek()).kek_id, (await kek.describe_kek()).kek_id
