"""A KEK without a store: what it wraps comes back under its context, and from nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kms_core
from kms_core import Kek, KekInfo
from kms_core._blob import decode_blob, encode_blob
from kms_core.backend import Event, WrappedDek
from kms_core.builtin.local.key_file import new_key_file

CONTEXT = {"purpose": "x"}


@pytest.fixture
def kek(key_file: Path) -> Kek:
    return kms_core.open_kek(f"kms://local?keyFile={key_file}")


def test_what_is_wrapped_comes_back(kek: Kek, key_file: Path) -> None:
    blob = kek.wrap(b"data", CONTEXT)
    assert b"data" not in blob
    with kms_core.open_kek({"backend": "local", "keyFile": str(key_file)}) as again:
        assert again.unwrap(blob, CONTEXT) == b"data"
        assert isinstance(again.describe_kek(), KekInfo)
        again.check_health()
    with pytest.raises(kms_core.ClosedError):
        again.unwrap(blob, CONTEXT)


@pytest.mark.parametrize("context", [{}, {"purpose": "y"}, {"Purpose": "x"}, {**CONTEXT, "a": ""}])
def test_another_context(kek: Kek, context: dict[str, str]) -> None:
    with pytest.raises(kms_core.UnwrapError):
        kek.unwrap(kek.wrap(b"data", CONTEXT), context)


def test_another_kek_is_told_by_both_names(kek: Kek, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.touch(mode=0o600)
    other.write_text(new_key_file())
    with kms_core.open_kek(f"kms://local?keyFile={other}") as stranger:
        blob = stranger.wrap(b"data", CONTEXT)
        names = {stranger.describe_kek().kek_id, kek.describe_kek().kek_id}
    with pytest.raises(kms_core.KekNotFoundError, match="configure the KEK that wrapped it") as no:
        kek.unwrap(blob, CONTEXT)
    assert all(name in str(no.value) for name in names)


def test_another_provider(kek: Kek) -> None:
    wrapped = WrappedDek(b"x" * 60, "one", "1", "AES")
    with pytest.raises(kms_core.KekNotFoundError, match="a KEK of 'aws', and kms://local"):
        kek.unwrap(encode_blob("aws", wrapped), CONTEXT)


@pytest.mark.parametrize("size", [1, 32, 4064])
def test_sizes(kek: Kek, size: int) -> None:
    assert kek.unwrap(kek.wrap(bytes(size), CONTEXT), CONTEXT) == bytes(size)


@pytest.mark.parametrize("size", [0, 4065])
def test_sizes_out_of_range(kek: Kek, size: int) -> None:
    with pytest.raises(kms_core.DekSizeError, match="1 to 4064 bytes"):
        kek.wrap(bytes(size), CONTEXT)


@pytest.mark.parametrize(
    "context",
    [
        None,
        "purpose",
        {"": "x"},
        {"format": "x"},
        {"a": 1},
        {1: "a"},
        {"a": "\ud800"},
        {"a": "x" * 2048},
    ],
)
def test_what_is_no_context(kek: Kek, context: Any) -> None:
    blob = kek.wrap(b"data", CONTEXT)
    with pytest.raises(kms_core.ContextError):
        kek.wrap(b"data", context)
    with pytest.raises(kms_core.ContextError):
        kek.unwrap(blob, context)


def test_the_longest_context(kek: Kek) -> None:
    context = {"a": "x" * (2048 - len('{"a":""}'))}
    assert kek.unwrap(kek.wrap(b"data", context), context) == b"data"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=64), blob=st.binary(max_size=64))
def test_bytes_that_are_no_blob(kek: Kek, data: bytes, blob: bytes) -> None:
    with pytest.raises((kms_core.BlobError, kms_core.KekNotFoundError)):
        kek.unwrap(b"KMS\x01" + blob, CONTEXT)
    with pytest.raises(kms_core.BlobError):
        kek.unwrap(blob, CONTEXT)
    assert kek.unwrap(kek.wrap(data, CONTEXT), CONTEXT) == data


text = st.text(st.characters(exclude_categories=["Cs"]))


@given(provider=text, wrapped=st.builds(WrappedDek, st.binary(), text, text, text))
def test_what_is_written_is_read(provider: str, wrapped: WrappedDek) -> None:
    blob = encode_blob(provider, wrapped)
    assert decode_blob(blob) == (provider, wrapped)
    for cut in range(len(blob)):
        with pytest.raises(kms_core.BlobError):
            decode_blob(blob[:cut])


@pytest.mark.parametrize("part", ["x" * 65536, "\ud800"])
def test_what_no_blob_can_hold(part: str) -> None:
    with pytest.raises(kms_core.BackendContractError, match="no blob can hold"):
        encode_blob("local", WrappedDek(b"x", part, "1", "AES"))


def test_a_deriver_wraps_nothing() -> None:
    secret = "A" * 43 + "="
    with pytest.raises(kms_core.ConfigError, match="derives DEKs and wraps nothing"):
        kms_core.open_kek(f"kms://cluster-kms?key={secret}&salt={secret}")


def test_the_config_and_the_environment_name_it(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "kms.toml"
    config.write_text(
        f'[kek]\nbackend = "local"\nkeyFile = "{key_file}"\n'
        '[storage]\nbackend = "file"\npath = "not-there"\n'
    )
    with kms_core.open_kek(config=config) as kek:
        blob = kek.wrap(b"data", CONTEXT)
    monkeypatch.setenv("KMS_CONFIG", str(config))
    with kms_core.open_kek() as kek:
        assert kek.unwrap(blob, CONTEXT) == b"data"


def test_observers_hear_of_it(key_file: Path) -> None:
    events: list[Event] = []
    uri = f"kms://local?keyFile={key_file}"
    with kms_core.open_kek(uri, observers=[events.append]) as kek:
        kek.unwrap(kek.wrap(b"secret data", CONTEXT), CONTEXT)
    told = ["wrap_dek", "unwrap_dek", "wrap", "unwrap_dek", "unwrap", "close"]
    assert [e.operation for e in events] == told
    assert "secret data" not in repr(events)


def test_it_stays_in_its_process(kek: Kek) -> None:
    with pytest.raises(TypeError, match="open it in the process that uses it"):
        pickle.dumps(kek)
