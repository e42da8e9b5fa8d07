"""What Constellation made comes out: DEKs of each form of its secret, an object of s3proxy."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding

import kms_core
from tests.secret_files import write_private

FOLDER = Path(__file__).parent / "constellation"
MADE = json.loads((FOLDER / "derived.json").read_text("utf-8"))
HEX: dict[str, str] = MADE["hex"]
KEY, SALT = (bytes.fromhex(HEX[name]) for name in ("key", "salt"))


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    content = (FOLDER / "constellation-mastersecret.json").read_bytes()
    return write_private(tmp_path / "constellation-mastersecret.json", content)


def files(folder: Path, key: bytes | str, salt: bytes | str, more: str = "") -> str:
    """The URI of two files with this content."""
    names = (("key", "mastersecret", key), ("salt", "salt", salt))
    pairs = [f"{name}File={write_private(folder / file, to)}" for name, file, to in names]
    return f"kms://cluster-kms?{'&'.join(pairs)}{more}"


@pytest.fixture(params=["URI", "JSON", "mounted raw", "hex in a URI", "hex in files", "base64url"])
def form(request: pytest.FixtureRequest, tmp_path: Path, json_file: Path) -> str:
    encoded = [urlsafe_b64encode(secret).decode() for secret in (KEY, SALT)]
    forms: dict[str, str] = {
        "URI": MADE["uri"],
        "JSON": f"kms://cluster-kms?file={json_file}",
        "mounted raw": files(tmp_path, KEY, SALT, "&encoding=raw"),
        "hex in a URI": f"kms://cluster-kms?key={HEX['key']}&salt={HEX['salt']}&encoding=hex",
    }
    if request.param == "hex in files":
        return files(tmp_path, HEX["key"] + "\n", HEX["salt"].upper(), "&encoding=hex")
    if request.param == "base64url":
        return files(tmp_path, encoded[0], encoded[1] + "\n", "&encoding=base64url")
    return forms[request.param]


def test_each_form_of_the_master_secret_gives_its_deks(form: str) -> None:
    with kms_core.open_kms(form) as kms:
        found = [
            [dek_id, size, b64encode(kms.get_dek(dek_id, size=size)).decode()]
            for dek_id, size, _ in MADE["deks"]
        ]
    assert found == MADE["deks"]
    assert len(found) == 21


def test_its_s3proxy_object(json_file: Path) -> None:
    """The object's DEK is wrapped by AES-KWP (RFC 5649), its body is AES-256-GCM-SIV (RFC 8452)."""
    with kms_core.open_kms(f"kms://cluster-kms?file={json_file}") as kms:
        kek = kms.get_dek("key-s3proxy-kek", size=32)
    s3proxy: dict[str, str] = MADE["s3proxy"]
    dek = aes_key_unwrap_with_padding(kek, bytes.fromhex(s3proxy["wrapped_dek_hex"]))
    body = b64decode(s3proxy["body"])
    assert AESGCMSIV(dek).decrypt(body[:12], body[12:], None).decode() == s3proxy["plaintext"]


WRONG = {
    "hex as base64url": (HEX["key"], "", "key could be hexadecimal as well as base64url"),
    "hex in capitals": (
        HEX["key"].upper(),
        "",
        "give encoding=hex, as for",
    ),
    "raw as base64url": (KEY, "", "key is not base64url with padding.*encoding=raw"),
    "raw as hex": (KEY, "&encoding=hex", "key is not hexadecimal"),
    "base64url as hex": (urlsafe_b64encode(KEY), "&encoding=hex", "key is not hexadecimal"),
    "base64 as base64url": (b64encode(KEY), "", "key is not base64url with padding"),
    "base64url as raw": (urlsafe_b64encode(KEY), "&encoding=raw", "key is text, and not raw"),
    "hex as raw": (HEX["key"] + "\n", "&encoding=raw", "key is text, and not raw bytes"),
    "hex of odd length": (HEX["key"][:-1], "&encoding=hex", "key is not hexadecimal"),
    "half of it": (KEY[:15], "&encoding=raw", "key has 15 bytes; at least 16 are needed"),
    "nothing": (b"", "&encoding=raw", "key has 0 bytes; at least 16 are needed"),
}


@pytest.mark.parametrize(("key", "more", "problem"), WRONG.values(), ids=WRONG)
def test_no_form_is_taken_for_another(
    tmp_path: Path, key: bytes | str, more: str, problem: str
) -> None:
    salts: dict[str, bytes | str] = {"": urlsafe_b64encode(SALT), "&encoding=hex": HEX["salt"]}
    with pytest.raises(kms_core.ConfigError, match=problem) as caught:
        kms_core.open_kms(files(tmp_path, key, salts.get(more, SALT), more))
    told = f"{caught.value!r} {caught.value}"
    assert HEX["key"][:9].lower() not in told.lower()
    assert urlsafe_b64encode(KEY).decode()[:9] not in told
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_json_file_as_a_key_file_is_refused(json_file: Path) -> None:
    text = json_file.read_text()
    for more in ("", "&encoding=hex", "&encoding=raw"):
        uri = f"kms://cluster-kms?keyFile={json_file}&saltFile={json_file}{more}"
        with pytest.raises(kms_core.ConfigError, match="key is") as caught:
            kms_core.open_kms(uri)
        assert text[12:20] not in str(caught.value)


SECRET = "bHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SECRET",
        "[]",
        '"SECRET"',
        '{"key": "SECRET"}',
        '{"key": "SECRET", "salt": null}',
        '{"key": "SECRET", "salt": 7}',
        '{"key": "SECRET", "salt": "SECRET", "iv": ""}',
        '{"key": "SECRET", "salt": "SECRET"} more',
        '{"key": "SECRET", "salt": "SECRE"}',
        '{"key": "_-SECRET", "salt": "SECRET"}',
        '{"key": "SECRET", "salt": ""}',
        "[" * 20_000,
        "\udcff{}",
    ],
)
def test_another_json_file_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    content = text.replace("SECRET", SECRET).encode("utf-8", "surrogateescape")
    path = write_private(tmp_path / "file.json", content)
    with pytest.raises(kms_core.ConfigError) as caught:
        kms_core.open_kms(f"kms://cluster-kms?file={path}")
    assert SECRET[:8] not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_json_file_that_is_not_there_or_that_others_may_change(json_file: Path) -> None:
    with pytest.raises(kms_core.ConfigError, match="cannot be read: No such file"):
        kms_core.open_kms(f"kms://cluster-kms?file={json_file}.not")
    json_file.chmod(0o666)
    with pytest.raises(kms_core.AccessDeniedError, match="has mode 0666"):
        kms_core.open_kms(f"kms://cluster-kms?file={json_file}")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("salt=AAAA", "key is required, or else file"),
        ("allowShort=true", "key and salt are required, or else file"),
        ("file=a&key=AAAA", "file takes the place of key, salt and encoding"),
        ("file=a&encoding=hex", "file takes the place of key, salt and encoding"),
        ("key=AAAA&salt=AAAA&encoding=base64", "encoding is none of the values"),
    ],
)
def test_what_stands_together(more: str, problem: str) -> None:
    with pytest.raises(kms_core.ConfigError, match=problem):
        kms_core.open_kms(f"kms://cluster-kms?{more}")


@pytest.mark.parametrize("dek_id", ["\udcc3\udca9", "key-\ud800"])
def test_an_id_that_is_no_text(dek_id: str) -> None:
    """Its bytes could be those of another id: of "é"."""
    with kms_core.open_kms(MADE["uri"]) as kms:
        assert kms.get_dek("é")
        with pytest.raises(kms_core.DekIdError, match="lone surrogate"):
            kms.get_dek(dek_id)
