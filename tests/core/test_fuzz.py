"""Whatever a stranger writes into a store, a file or a URI: an error of ours, and never another."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kms_core import KmsError
from kms_core._blob import decode_blob, encode_blob
from kms_core._config.choices import load_choices
from kms_core._config.uri import parse_uri
from kms_core._deks.record import Record, decode_record
from kms_core.backend import WrappedDek, decode_object_name
from kms_core.backend.auth_key import AuthKey, make_auth_key
from kms_core.builtin.local.key_file import new_key_file, read_key_file

Reader = Callable[[bytes, Path], object]
WRAPPED = WrappedDek(bytes(60), "d5d8c4258ee7776b02f5b8e1ca86f105", "1", "AES-256-GCM")
BLOB = encode_blob("local", WRAPPED)
CONFIG = b'observers = ["log"]\n[kek]\nbackend = "local"\nkeyFile = "kek.toml"\n'
URI = b"kms://local?keyFile=%2Fetc%2Fkek.toml&a=b"


def text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def read_record(data: bytes, _path: Path) -> object:
    return decode_record(data, "volume-42")


def read_blob(data: bytes, _path: Path) -> object:
    return decode_blob(data)


def read_uri(data: bytes, _path: Path) -> object:
    return parse_uri(text(data), "kms")


def read_config(data: bytes, path: Path) -> object:
    path.write_bytes(data)
    return load_choices(config=path)


def read_keys(data: bytes, path: Path) -> object:
    path.write_bytes(data)
    return read_key_file(path)


def read_name(data: bytes, _path: Path) -> object:
    return decode_object_name(text(data))


def read_auth_key(data: bytes, _path: Path) -> object:
    with suppress(ValueError):  # which the reader of parameters makes a ConfigError
        return AuthKey(text(data))
    return None


READERS: dict[Reader, bytes] = {
    read_record: Record.make("volume-42", 32, "2026-11-23T12:00:00Z", "local", WRAPPED).encode(),
    read_blob: BLOB,
    read_uri: URI,
    read_config: CONFIG,
    read_keys: new_key_file().encode(),
    read_name: b"volume%2F42.json",
    read_auth_key: make_auth_key(lambda *_: BLOB).encode(),
}
"""Each reader, and what it accepts."""


def altered(sound: bytes) -> st.SearchStrategy[bytes]:
    """Any bytes, or sound ones with a piece cut out, put in or repeated."""
    pieces = re.findall(rb"\w+|\W", sound)
    place = st.integers(0, len(sound))
    piece = st.one_of(st.binary(max_size=40), st.sampled_from(pieces)).map(lambda p: p * 1)
    times = st.sampled_from([1, 1, 1, 2, 1000])
    spliced = st.builds(
        lambda start, end, put, n: sound[:start] + put * n + sound[end:], place, place, piece, times
    )
    return st.one_of(st.binary(max_size=300), spliced)


@pytest.mark.hypothesis  # which marks by itself only what is given examples from outside
@pytest.mark.timeout(7200)  # of the long form
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_nothing_but_our_errors(reader: Reader, tmp_path: Path, *, long: bool) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o600)
    reader(READERS[reader], path)

    @settings(
        max_examples=150_000 if long else 300,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(altered(READERS[reader]))
    def read(data: bytes) -> None:
        with suppress(KmsError):
            reader(data, path)

    read()
