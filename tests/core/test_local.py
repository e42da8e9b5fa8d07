"""The local KEK: its key file, its versions, and what it refuses."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.local.key_file import new_key_file, read_key_file

CONTEXT = {"dek_id": "a"}
SECRET = b64encode(b"hunter2hunter2hunter2hunter2hunt").decode()


def open_kek(key_file: Path) -> LocalKek:
    return LocalKek(LocalKek.Config(key_file=key_file))


def rotate(key_file: Path, version: int) -> None:
    with key_file.open("a") as file:
        file.write(f'{version} = "{b64encode(os.urandom(32)).decode()}"\n')


def test_a_rotated_kek_wraps_with_the_newest_version_and_unwraps_all(key_file: Path) -> None:
    old = open_kek(key_file).wrap_dek(b"dek", CONTEXT)
    for version in (2, 10):
        rotate(key_file, version)
    kek = open_kek(key_file)
    new = kek.wrap_dek(b"dek", CONTEXT)
    assert (old.kek_version, new.kek_version) == ("1", "10")
    assert kek.describe_kek().kek_version == "10"
    assert kek.unwrap_dek(old, CONTEXT) == kek.unwrap_dek(new, CONTEXT) == b"dek"


def test_an_open_kek_learns_of_a_version_that_another_process_added(key_file: Path) -> None:
    kek = open_kek(key_file)
    rotate(key_file, 2)
    wrapped = open_kek(key_file).wrap_dek(b"dek", CONTEXT)
    assert wrapped.kek_version == "2"
    assert kek.unwrap_dek(wrapped, CONTEXT) == b"dek"
    assert kek.describe_kek().kek_version == "2"


def test_a_version_that_did_not_wrap_it(key_file: Path) -> None:
    rotate(key_file, 2)
    kek = open_kek(key_file)
    wrapped = kek.wrap_dek(b"dek", CONTEXT)
    with pytest.raises(kms_core.UnwrapError):
        kek.unwrap_dek(replace(wrapped, kek_version="1"), CONTEXT)
    for version in ("3", "02", ""):
        with pytest.raises(kms_core.KekNotFoundError, match="no such version"):
            kek.unwrap_dek(replace(wrapped, kek_version=version), CONTEXT)


def test_a_record_cannot_swap_the_kek(key_file: Path) -> None:
    """It names a version that is not there, while another KEK's file lies in the place."""
    kek = open_kek(key_file)
    wrapped = kek.wrap_dek(b"dek", CONTEXT)
    key_file.write_text(new_key_file())
    with pytest.raises(kms_core.KekNotFoundError, match="is configured"):
        kek.unwrap_dek(replace(wrapped, kek_version="2"), CONTEXT)
    assert kek.unwrap_dek(wrapped, CONTEXT) == b"dek"
    assert kek.describe_kek().kek_id == wrapped.kek_id


def test_a_nonce_is_never_used_twice(key_file: Path) -> None:
    kek = open_kek(key_file)
    wraps = {kek.wrap_dek(b"dek", CONTEXT).ciphertext for _ in range(1000)}
    assert len({w[:12] for w in wraps}) == 1000


@pytest.mark.parametrize("mode", [0o604, 0o660, 0o644, 0o601])
def test_a_key_file_that_others_may_use(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(kms_core.AccessDeniedError, match=f"mode {mode:04o}.*chmod 600"):
        open_kek(key_file)


def test_a_key_file_that_only_its_owner_may_read(key_file: Path) -> None:
    key_file.chmod(0o400)
    assert open_kek(key_file).describe_kek().kek_version == "1"


def test_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(kms_core.KekNotFoundError, match="kms init"):
        open_kek(tmp_path / "none.toml")


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(kms_core.AccessDeniedError, match="Is a directory"):
        open_kek(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f'[keys]\n1 = "{SECRET}"',
        f'kek_id = ""\n[keys]\n1 = "{SECRET}"',
        f'kek_id = 7\n[keys]\n1 = "{SECRET}"',
        'kek_id = "k"\n[keys]\n',
        'kek_id = "k"\nkeys = 1',
        f'kek_id = "k"\nkeys = ["{SECRET}"]',
        f'kek_id = "k"\n[keys]\none = "{SECRET}"',
        f'kek_id = "k"\n[keys]\n1 = "{SECRET[:-4]}"',
        f'kek_id = "k"\n[keys]\n1 = "{SECRET}!"',
        f'kek_id = "k"\n[keys]\n1 = "é{SECRET}"',
        f'kek_id = "k"\n[keys]\n1 = "{SECRET}"\n01 = "{SECRET}"',
        f'kek_id = "k"\n[keys]\n1 = "{SECRET}"\n1 = "{SECRET}"',
        f'kek_id = "k"\n[keys]\n1 = "{SECRET}',
    ],
)
def test_a_malformed_key_file_is_refused_and_not_shown(key_file: Path, text: str) -> None:
    key_file.write_text(text)
    with pytest.raises(kms_core.ConfigError) as caught:
        read_key_file(key_file)
    assert SECRET[:8] not in str(caught.value)
    assert str(key_file) in str(caught.value)
    assert caught.value.__context__ is None, "a decoder's error may hold the file"


@given(
    st.binary() | st.text().map(str.encode) | st.text(alphabet='kek_id="[]\n1A=').map(str.encode)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_file_is_read_or_refused(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    with pytest.raises(kms_core.ConfigError):
        read_key_file(key_file)


def test_each_new_key_file_is_another_kek(tmp_path: Path) -> None:
    texts = {new_key_file() for _ in range(100)}
    assert len(texts) == 100
    assert "kek_id" in repr(texts)


def test_a_repr_shows_no_key(key_file: Path) -> None:
    found = read_key_file(key_file)
    assert b64encode(found.keys["1"]).decode() in key_file.read_text()
    assert str(found.keys["1"]) not in repr(found)
