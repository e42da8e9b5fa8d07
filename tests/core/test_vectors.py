"""The vectors that other readers go by, read here and by the reader in Go."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from kms_core import BlobError, Kek, KekNotFoundError, Kms, RecordError, UnwrapError
from kms_core._plugins.clients import KekClient, Keyset, bind
from kms_core.backend import unseal_dek
from kms_core.builtin.local.kek import LocalKek
from tests.core.conftest import FaultyStorage

FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text("utf-8"))
FORM = {"record": "dek", "blob": "data", "sealed": "dek"}
"""What holds what."""


def expected(vectors: dict[str, Any]) -> dict[str, str]:
    every = [*vectors["records"], *vectors["blobs"], *vectors["sealed"]]
    return {vector["name"]: vector.get("refused", "ok") for vector in every}


def altered(vectors: dict[str, Any]) -> dict[str, Any]:
    """Each accepted vector once for each of its bytes, with a bit of that byte flipped."""
    others = deepcopy(vectors)
    for part, form in (("records", "record"), ("blobs", "blob"), ("sealed", "sealed")):
        others[part] = [
            {**vector, "name": f"{vector['name']}, byte {position}", form: flipped.hex()}
            for vector in vectors[part]
            if FORM[form] in vector
            for position, flipped in flip(bytes.fromhex(vector[form]))
        ]
    return others


def flip(data: bytes) -> Iterator[tuple[int, bytes]]:
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        yield position, bytes(changed)


@pytest.fixture
def vector_kek(tmp_path: Path) -> LocalKek:
    path = tmp_path / "vectors.toml"
    path.touch(mode=0o600)
    keys = VECTORS["kek"]["keys"].items()
    lines = [f'{version} = "{b64encode(bytes.fromhex(key)).decode()}"' for version, key in keys]
    path.write_text(f'kek_id = "{VECTORS["kek"]["id"]}"\n[keys]\n' + "\n".join(lines))
    return LocalKek(LocalKek.Config(key_file=path))


Read = Callable[[dict[str, Any]], dict[str, str]]


@pytest.fixture
def read_all(vector_kek: LocalKek, storage: FaultyStorage, open_with: Callable[..., Kms]) -> Read:
    """What each vector is to kms-core."""
    client = bind("kms://local", vector_kek, "kms-core test")
    assert isinstance(client, KekClient)
    kek, kms = Kek(Keyset([client]), ExitStack()), open_with(vector_kek, storage)

    def read_record(vector: dict[str, Any]) -> str:
        storage._put(vector["dek_id"], bytes.fromhex(vector["record"]))
        return judge(vector.get("dek"), lambda: kms.get_dek(vector["dek_id"]))

    def read_blob(vector: dict[str, Any]) -> str:
        blob = bytes.fromhex(vector["blob"])
        return judge(vector.get("data"), lambda: kek.unwrap(blob, vector["context"]))

    def read_sealed(vector: dict[str, Any]) -> str:
        key, sealed = bytes.fromhex(vector["key"]), bytes.fromhex(vector["sealed"])
        auth_key = bytes.fromhex(vector["auth_key"]) if "auth_key" in vector else None
        dek = vector.get("dek")
        return judge(dek, lambda: unseal_dek(key, sealed, vector["context"], auth_key))

    return lambda vectors: {
        **{vector["name"]: read_record(vector) for vector in vectors["records"]},
        **{vector["name"]: read_blob(vector) for vector in vectors["blobs"]},
        **{vector["name"]: read_sealed(vector) for vector in vectors["sealed"]},
    }


def judge(right: str | None, read: Callable[[], bytes]) -> str:
    try:
        seen = read().hex()
    except (RecordError, BlobError) as error:
        return "other-id" if "belongs to DEK" in str(error) else "malformed"
    except KekNotFoundError:
        return "other-kek"
    except UnwrapError:
        return "altered"
    return "ok" if seen == right else "opened, but as something else"


@pytest.fixture(scope="module")
def read_in_go(tmp_path_factory: pytest.TempPathFactory) -> Read:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed here, so its reader of the vectors is not run")
    reader = tmp_path_factory.mktemp("go") / "read"
    build = [go, "build", "-o", str(reader), str(FOLDER / "read.go")]
    subprocess.run(build, check=True, capture_output=True)

    def read(vectors: dict[str, Any]) -> dict[str, str]:
        given = json.dumps(vectors)
        run = [str(reader)]
        done = subprocess.run(run, input=given, capture_output=True, text=True, check=True)
        return dict(line.split("\t") for line in done.stdout.splitlines())

    return read


def test_there_are_enough() -> None:
    verdicts = list(expected(VECTORS).values())
    assert len(verdicts) >= 50
    assert set(verdicts) == {"ok", "malformed", "other-id", "other-kek", "altered"}


def test_what_they_are_here(read_all: Read) -> None:
    assert read_all(VECTORS) == expected(VECTORS)


def test_what_they_are_in_go(read_in_go: Read) -> None:
    assert read_in_go(VECTORS) == expected(VECTORS)


def test_a_changed_byte_opens_nothing_here(read_all: Read) -> None:
    verdicts = read_all(altered(VECTORS))
    assert len(verdicts) > 5000
    assert [name for name, verdict in verdicts.items() if verdict[:2] in {"ok", "op"}] == []


def test_a_changed_byte_opens_nothing_in_go(read_in_go: Read) -> None:
    verdicts = read_in_go(altered(VECTORS))
    assert len(verdicts) > 5000
    assert [name for name, verdict in verdicts.items() if verdict[:2] in {"ok", "op"}] == []
