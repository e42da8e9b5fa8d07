"""The forms of Constellation's records, and what is none of them."""

from __future__ import annotations

import json
import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import kms_core
from kms_core import Kms, Outcome
from kms_core.backend import hookimpl
from kms_core.builtin.local.kek import LocalKek
from kms_core.builtin.memory import MemoryStorage
from tests.core.conftest import FaultyStorage
from tests.core.test_moving import failure

Open = Callable[..., Kms]
KEY, IV, DEK = bytes(range(32)), bytes(12), bytes(range(100, 132))
WRAPPED = b"\x80" + bytes(range(255))
KEK = "arn:aws:kms:eu-central-1:123456789012:key/1"


class Shared(MemoryStorage):
    """A store that has objects of others."""

    def __init__(self) -> None:
        super().__init__(MemoryStorage.Config())
        self.objects: dict[str, bytes] = {}

    @hookimpl
    def list_objects(self, prefix: str) -> Iterator[str]:
        return (name for name in list(self.objects) if name.startswith(prefix))

    @hookimpl
    def load_object(self, name: str) -> bytes:
        return self.objects[name]


class Opener(LocalKek):
    """Unwraps what it was told of."""

    def __init__(self, config: LocalKek.Config) -> None:
        super().__init__(config)
        self.answers = {(WRAPPED, ""): KEY}

    @hookimpl
    def unwrap_foreign(self, ciphertext: bytes, kek_version: str) -> bytes:
        try:
            return self.answers[ciphertext, kek_version]
        except KeyError:
            raise kms_core.UnwrapError from None


@pytest.fixture
def opener(key_file: Path) -> Opener:
    return Opener(LocalKek.Config(key_file=key_file))


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def imported(kms: Kms, opener: Opener, shared: Shared, open_with: Open) -> Callable[[], Any]:
    source = open_with(opener, shared)
    return lambda: list(kms.import_constellation(source))


def record(**changed: Any) -> bytes:
    info: dict[str, Any] = {"mechanism": 1, "key_id": KEK, "wrapped_key": WRAPPED} | changed
    dek, iv = info.pop("dek", DEK), info.pop("iv", IV)
    info = {name: value for name, value in info.items() if value is not None}
    info["wrapped_key"] = b64encode(info["wrapped_key"]).decode()
    ciphertext = AESGCM(KEY).encrypt(IV, dek, None)
    document = {"ciphertext": b64encode(ciphertext), "iv": b64encode(iv)}
    texts = {name: value.decode() for name, value in document.items()}
    return json.dumps({**texts, "key_info": info}, separators=(",", ":")).encode()


def outcome(imported: Callable[[], list[Outcome]]) -> str:
    [outcome] = imported()
    return outcome.outcome


FORMS = {
    "AWS": (record(), WRAPPED, ""),
    "GCP": (record(key_id="projects/p/cryptoKeys/k/cryptoKeyVersions/7"), WRAPPED, "7"),
    "Azure": (record(mechanism=None, key_id="0" * 32), WRAPPED, "0" * 32),
    "Azure, newest": (record(mechanism=None, key_id=None), WRAPPED, ""),
    "Azure, text": (
        record(mechanism=None, key_id="1", wrapped_key=urlsafe_b64encode(WRAPPED).rstrip(b"=")),
        *(WRAPPED, "1"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form(kms: Kms, opener: Opener, shared: Shared, imported: Any, form: str) -> None:
    data, ciphertext, version = FORMS[form]
    opener.answers = {(ciphertext, version): KEY}
    shared.objects["key-ü /%"] = data
    assert outcome(imported) == "done"
    assert kms.get_dek("key-ü /%") == DEK
    assert outcome(imported) == "unchanged"


def test_a_managed_hsm_that_adds_a_zero(
    kms: Kms, opener: Opener, shared: Shared, imported: Any
) -> None:
    opener.answers = {(WRAPPED, ""): KEY + b"\0"}
    shared.objects["a"] = record()
    assert outcome(imported) == "done"
    assert kms.get_dek("a") == DEK


NO_RECORDS = {
    "no JSON": b"\x01\x02\x03",
    "no object": b"[]",
    "nothing": b"",
    "no record": b"{}",
    "a direct ciphertext": b'{"ciphertext":"AAAA"}',
    "another mechanism": record(mechanism=2),
    "a short iv": record(iv=bytes(11)),
    "a long iv": record(iv=bytes(16)),
    "no DEK": record(dek=b""),
    "an object that is too long": record() + b" " * 65536,
    "text of no length": record(mechanism=None, wrapped_key=b"AAAAA"),
    "nested": b"[" * 100_000,
    "no base64": record().replace(b'"iv":"', b'"iv":"-'),
}


@pytest.mark.parametrize("data", NO_RECORDS.values(), ids=NO_RECORDS)
def test_what_is_no_record(kms: Kms, shared: Shared, imported: Any, data: bytes) -> None:
    shared.objects["a"] = data
    error = failure(imported(), "a")
    assert isinstance(error, kms_core.RecordError)
    assert (error.backend, error.operation) == ("storage://memory", "load_object")
    assert "it is no record of Constellation's library" in str(error)
    assert list(kms.list_dek_ids()) == []


def test_a_dek_that_is_too_long(kms: Kms, shared: Shared, imported: Any) -> None:
    shared.objects = {"a": record(dek=bytes(8161)), "b": record(dek=bytes(8160))}
    assert "its DEK has 8161 bytes" in str(failure(imported(), "a"))
    assert len(kms.get_dek("b")) == 8160


@pytest.mark.parametrize("key", [KEY[:-1] + b"\0", KEY + b"\1", KEY + b"\0\0", KEY[:16], b""])
def test_another_key(kms: Kms, opener: Opener, shared: Shared, imported: Any, key: bytes) -> None:
    opener.answers = {(WRAPPED, ""): key}
    shared.objects["a"] = record()
    error = failure(imported(), "a")
    assert isinstance(error, kms_core.UnwrapError)
    assert error.backend == "kms://local"
    assert list(kms.list_dek_ids()) == []


def test_another_kek(opener: Opener, shared: Shared, imported: Any) -> None:
    opener.answers = {}
    shared.objects["a"] = record()
    error = failure(imported(), "a")
    assert isinstance(error, kms_core.UnwrapError)
    assert f"Constellation wrapped it by '{KEK}', and it does not open" in str(error)
    shared.objects["a"] = record(mechanism=None, key_id="1")
    assert "Constellation wrapped it, and it does not open" in str(failure(imported(), "a"))


def test_names_that_are_no_ids(shared: Shared, imported: Any) -> None:
    names = ("a\nb", "x" * 256, "\x1b[2J")
    shared.objects = dict.fromkeys(names, b"what is not even read")
    outcomes = {found.dek_id: found.error for found in imported()}
    assert {*outcomes} == {*names}
    assert {type(error) for error in outcomes.values()} == {kms_core.DekIdError}


def test_what_kms_core_wrote_stays(
    kms: Kms, storage: FaultyStorage, shared: Shared, imported: Any
) -> None:
    kms.create_dek("a")
    ours = storage.load_record("a").data
    shared.objects = {"a.json": ours, "kms-core.probe": os.urandom(8)}
    assert [found.outcome for found in imported()] == ["unchanged", "unchanged"]


def test_another_dek_here_stays(kms: Kms, shared: Shared, imported: Any) -> None:
    ours = kms.create_dek("a")
    shared.objects["a"] = record()
    assert isinstance(failure(imported(), "a"), kms_core.DekExistsError)
    assert kms.get_dek("a") == ours


def test_backends_that_cannot(
    kms: Kms, opener: Opener, shared: Shared, open_with: Open, kek: Any
) -> None:
    shared.objects["a"] = record()
    with pytest.raises(kms_core.ConfigError, match="keeps no objects of other programs"):
        kms.import_constellation(open_with(opener, FaultyStorage()))
    error = failure(iter(kms.import_constellation(open_with(kek, shared))), "a")
    assert isinstance(error, kms_core.ConfigError)
    assert "unwraps nothing but what kms-core wrapped" in str(error)
