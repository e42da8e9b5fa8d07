"""There is one way to write a record, and no altered one is ever opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kms_core
from kms_core import Kms
from kms_core._deks.record import Record, decode_record
from kms_core.backend import WrappedDek

WRAPPED = WrappedDek(b"\x00\xffwrapped", "arn:aws:kms:eu-1:1:key/2", "3", "AES")
RECORD = Record.make("volume-42", 32, "2026-11-23T21:00:00Z", "aws", WRAPPED)
ENCODED = (
    b'{"format":"kms-core.dek/1","dek_id":"volume-42","size":32,"created":"2026-11-23T21:00:00Z",'
    b'"kek":{"provider":"aws","id":"arn:aws:kms:eu-1:1:key/2","version":"3"},'
    b'"algorithm":"AES","wrapped_dek":"AP93cmFwcGVk"}'
)


def test_the_format_of_version_1_never_changes() -> None:
    assert RECORD.encode() == ENCODED
    assert decode_record(ENCODED, "volume-42") == RECORD


def test_the_context_binds_all_that_the_kek_does_not() -> None:
    assert RECORD.context == {
        "format": "kms-core.dek/1",
        "dek_id": "volume-42",
        "size": "32",
        "created": "2026-11-23T21:00:00Z",
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        ENCODED[:-1],
        ENCODED + b"\n",
        b" " + ENCODED,
        ENCODED.decode().encode("utf-16"),
        b"\xff" + ENCODED,
        b"null",
        b"[]",
        b'"text"',
        b"[" * 60000,
        b'{"format":"kms-core.dek/1"}',
        ENCODED.replace(b"dek/1", b"dek/2"),
        ENCODED.replace(b'"size":32', b'"size":"32"'),
        ENCODED.replace(b'"size":32', b'"size":32.0'),
        ENCODED.replace(b'"size":32', b'"size":true'),
        ENCODED.replace(b'"size":32', b'"size":0'),
        ENCODED.replace(b'"size":32', b'"size":-32'),
        ENCODED.replace(b'"size":32', b'"size":' + b"9" * 5000),
        ENCODED.replace(b'"size":32', b'"size":32,"size":32'),
        ENCODED.replace(b'"size":32', b'"size":32,"more":1'),
        ENCODED.replace(b'"volume-42"', b'"volume-\\u0034\\u0032"'),
        ENCODED.replace(b'"volume-42"', b'"\\ud800"'),
        ENCODED.replace(b"AP93cmFwcGVk", b"AP93cmFwcGV"),
        ENCODED.replace(b"AP93cmFwcGVk", b"AP93 cmFwcGVk"),
        ENCODED.replace(b"AP93cmFwcGVk", b"AP93cmFwcGV="),
        ENCODED.replace(b'{"provider":"aws",', b"{"),
        ENCODED.replace(b'"kek":{', b'"kek":[{').replace(b'"3"}', b'"3"}]'),
        ENCODED.replace(b"wrapped", b"w" * 65536),
    ],
    ids=lambda data: f"{len(data)}-{data[:12]!r}",
)
def test_malformed_records(data: bytes) -> None:
    with pytest.raises(kms_core.RecordError):
        decode_record(data, "volume-42")


def test_a_record_of_another_id() -> None:
    with pytest.raises(kms_core.RecordError, match="belongs to DEK 'volume-42'"):
        decode_record(ENCODED, "volume-43")


def test_a_record_of_a_hundred_megabytes_is_not_parsed(tmp_path: Path, key_file: Path) -> None:
    folder = tmp_path / "deks"
    with kms_core.open_kms(
        f"kms://local?keyFile={key_file}", f"storage://file?path={folder}&createFolder=true"
    ) as k:
        k.get_dek("a", create=True)
        with (folder / "dek-a.json").open("r+b") as file:
            file.truncate(100_000_000)
        with pytest.raises(kms_core.RecordError, match="longer than 65536 bytes"):
            k.get_dek("a", create=True)
    assert (folder / "dek-a.json").stat().st_size == 100_000_000


def test_every_flipped_bit_is_refused(kms: Kms, storage: Any) -> None:
    kms.get_dek("a", create=True)
    stored = storage.load_record("a")
    revision = stored.revision
    for position in range(len(stored.data) * 8):
        altered = bytearray(stored.data)
        altered[position // 8] ^= 1 << position % 8
        revision = storage.replace_record("a", bytes(altered), revision)
        with pytest.raises(kms_core.KmsError):
            kms.get_dek("a", create=True)
        assert storage.load_record("a").data == altered, "a bad record is never overwritten"
    storage.replace_record("a", stored.data, revision)
    assert len(kms.get_dek("a", create=True)) == 32


text = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    dek_id=text,
    size=st.integers(1, 8160),
    wrapped=st.builds(WrappedDek, st.binary(), text, text, text),
)
def test_what_is_written_is_read(dek_id: str, size: int, wrapped: WrappedDek) -> None:
    record = Record.make(dek_id, size, "2026-11-23T21:00:00Z", "aws", wrapped)
    assert decode_record(record.encode(), dek_id) == record


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["local"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(data=st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_record_error(data: bytes) -> None:
    with pytest.raises(kms_core.RecordError):
        decode_record(data, "volume-42")


def test_a_record_of_constellation() -> None:
    """Somebody copied it to the name of one of ours."""
    info = {"mechanism": 1, "key_id": "arn", "wrapped_key": "AAAA"}
    for key_info in ({"key_info": info}, {}):
        data = json.dumps({"ciphertext": "AAAA", "iv": "AAAA", **key_info}).encode()
        with pytest.raises(kms_core.RecordError, match="run: kms dek import constellation"):
            decode_record(data, "volume-42")


@given(field=st.sampled_from(sorted(json.loads(ENCODED))), value=json_values)
@settings(max_examples=300)
def test_a_field_of_another_value_is_refused_or_another_record(field: str, value: object) -> None:
    document = {**json.loads(ENCODED), field: value}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    try:
        record = decode_record(data, "volume-42")
    except kms_core.RecordError:
        return
    assert record.encode() == data
