"""An attacker with the public half of an RSA key and full access to the store, and the key pinned
in the config that keeps such records from opening.
"""

from __future__ import annotations

import hmac
import logging
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

import kms_core
from kms_azure.kek import AzureKek
from kms_core import ConfigError, KekDisabledError, UnwrapError, open_kek, open_kms
from kms_core._deks.record import Record, decode_record, record_context
from kms_core.backend import AuthKey, WrappedDek, seal_dek
from kms_core.backend.auth_key import make_auth_key
from kms_core.cli.main import kms
from kms_core.cli.session import Session
from tests.azure.cloud import VAULT, Cloud
from tests.fakes.azure.key_vault import Version

PLAIN, HSM = "vault.azure.net", "managedhsm.azure.net"
NOW = "2026-01-31T23:59:59Z"
CONTEXT = {"dek_id": "volume/é", "size": "32"}
OAEP = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
FORGED = b"the attacker chose all of these!"


@pytest.fixture
def key(cloud: Cloud) -> str:
    return cloud.vaults[PLAIN].make_key("RSA")


@pytest.fixture
def pinned(cloud: Cloud, key: str) -> str:
    return pin(cloud, key)


def pin(cloud: Cloud, key: str, vault_type: str = PLAIN) -> str:
    with open_kek(cloud.kek_parameters(key, vault_type)) as kek:
        return make_auth_key(kek.wrap)


class Attacker:
    """Has the public half of the key, the store, and the config, which is no secret."""

    def __init__(self, cloud: Cloud, key: str, pinned: str, mine: bytes, other: bytes) -> None:
        version = cloud.vaults[PLAIN].keys[key][-1]
        assert version.rsa is not None
        self._public, self._version = version.rsa.public_key(), version.name
        self._kek_id = f"https://{VAULT}.{PLAIN}/keys/{key}"
        pinned_key = AuthKey(pinned).wrapped.ciphertext
        mine, other = (decode_record(data, "id").wrapped_dek for data in (mine, other))
        self.mine, self.other, self.pinned = mine[32:], other[32:], pinned_key[32:]
        forged = hmac.digest(bytes(32), FORGED, "sha256")
        self.commitments = (forged, mine[:32], other[:32], pinned_key[:32])

    def seal(self, auth_key: bytes | None = None) -> bytes:
        fresh, sealed = seal_dek(bytes(32) + FORGED, record_context("id", 32, NOW), auth_key)
        return self.wrap(fresh) + sealed

    def wrap(self, fresh: bytes) -> bytes:
        return (256).to_bytes(2) + self._public.encrypt(fresh, OAEP)

    def records(self, ciphertext: bytes, algorithm: str) -> Iterator[bytes]:
        """With each commitment that they know, the first to what they chose themselves."""
        for commitment in self.commitments:
            committed = commitment + ciphertext
            wrapped = WrappedDek(committed, self._kek_id, self._version, algorithm)
            yield Record.make("id", 32, NOW, "azure", wrapped).encode()


FORGERIES: dict[str, Callable[[Attacker], bytes]] = {
    "sealed without it": lambda attacker: attacker.seal(),
    "sealed with zeros": lambda attacker: attacker.seal(bytes(32)),
    "sealed with what is pinned": lambda attacker: attacker.seal(attacker.pinned[258:290]),
    "what is pinned": lambda attacker: attacker.pinned,
    "its key before another seal": lambda attacker: attacker.pinned[:258] + attacker.seal()[258:],
    "a new key before a real seal": lambda attacker: attacker.wrap(bytes(32)) + attacker.mine[258:],
    "a real key before a new seal": lambda attacker: attacker.mine[:258] + attacker.seal()[258:],
    "two real ones mixed": lambda attacker: attacker.mine[:258] + attacker.other[258:],
    "a real commitment": lambda attacker: attacker.mine[:290] + attacker.seal()[290:],
}


@pytest.mark.parametrize(
    "algorithm",
    [
        "RSA-OAEP-256",
        *(pytest.param(f"{a}+authKey", marks=pytest.mark.rest) for a in ("RSA-OAEP-256", "A256KW")),
    ],
)
@pytest.mark.parametrize("forgery", FORGERIES)
def test_no_forged_record_opens(
    cloud: Cloud, key: str, pinned: str, forgery: str, algorithm: str
) -> None:
    container = cloud.make_container()
    admin, kek = cloud.admin(container), cloud.kek_parameters(key) | {"authKey": pinned}
    stores = [cloud.storage_parameters(container) | {"prefix": name} for name in ("a", "b")]
    for store in stores:
        with open_kms(kek, store) as kms:
            kms.create_dek("id")
    real = [admin.download_blob(f"{name}/id.json").readall() for name in ("a", "b")]
    attacker = Attacker(cloud, key, pinned, *real)
    with open_kms(kek, stores[0]) as kms:
        for forged in attacker.records(FORGERIES[forgery](attacker), algorithm):
            admin.upload_blob("a/id.json", forged, overwrite=True)
            with pytest.raises(UnwrapError):
                kms.get_dek("id", create=True)
            assert admin.download_blob("a/id.json").readall() == forged


def test_without_it_a_forged_record_opens(cloud: Cloud, key: str, pinned: str) -> None:
    """The attack itself, so that the test above does test something."""
    container = cloud.make_container()
    kek, store = cloud.kek_parameters(key), cloud.storage_parameters(container)
    with open_kms(kek, store) as kms:
        kms.create_dek("id")
        real = cloud.admin(container).download_blob("id.json").readall()
        attacker = Attacker(cloud, key, pinned, real, real)
        forged = next(attacker.records(attacker.seal(), "RSA-OAEP-256"))
        cloud.admin(container).upload_blob("id.json", forged, overwrite=True)
        assert kms.get_dek("id") == FORGED


def test_each_record_says_whether_it_has_one(cloud: Cloud, key: str, pinned: str) -> None:
    with_it, without = cloud.open_kek(key, authKey=pinned), cloud.open_kek(key)
    authenticated = with_it.wrap_dek(b"d" * 32, CONTEXT)
    assert authenticated.algorithm == "RSA-OAEP-256+authKey" == with_it.describe_kek().algorithm
    plain = without.wrap_dek(b"d" * 32, CONTEXT)
    assert plain.algorithm == "RSA-OAEP-256" == without.describe_kek().algorithm
    with pytest.raises(UnwrapError, match="without an authKey, so anybody may have made it"):
        with_it.unwrap_dek(plain, CONTEXT)
    with pytest.raises(ConfigError, match="with an authKey, and none is configured"):
        without.unwrap_dek(authenticated, CONTEXT)


def test_records_from_before_it_open_where_the_key_is_configured_twice(
    cloud: Cloud, key: str, pinned: str
) -> None:
    """Then a rewrap brings them under it, and the second one goes."""
    without, store = cloud.kek_parameters(key), cloud.storage_parameters(cloud.make_container())
    with_it = without | {"authKey": pinned}
    with open_kms(without, store) as kms:
        dek = kms.create_dek("id")
    with open_kms([with_it, without], store) as kms:
        assert kms.get_dek("id") == dek
        new = kms.create_dek("new")
        assert [one.outcome for one in kms.rewrap_deks(prefix="id")] == ["done"]
    with open_kms(with_it, store) as kms:
        assert (kms.get_dek("id"), kms.get_dek("new")) == (dek, new)


def test_an_altered_record_is_told_as_one_where_the_key_is_configured_twice(
    cloud: Cloud, key: str, pinned: str
) -> None:
    """And not as of the other configuration."""
    without = cloud.kek_parameters(key)
    with_it = without | {"authKey": pinned}
    for wrapping in (without, with_it):
        with open_kek(wrapping) as kek:
            blob = kek.wrap(b"data", {})
        for keks in ([with_it, without], [without, with_it]):
            with open_kek(keks) as both, pytest.raises(UnwrapError, match="it was altered"):
                both.unwrap(blob[:-1] + bytes([blob[-1] ^ 1]), {})


def test_another_authentication_key(cloud: Cloud, key: str, pinned: str) -> None:
    wrapped = cloud.open_kek(key, authKey=pinned).wrap_dek(b"d" * 32, CONTEXT)
    assert cloud.open_kek(key, authKey=pinned).unwrap_dek(wrapped, CONTEXT) == b"d" * 32
    with pytest.raises(UnwrapError):
        cloud.open_kek(key, authKey=pin(cloud, key)).unwrap_dek(wrapped, CONTEXT)


def test_authentication_key_of_another_kek(cloud: Cloud, key: str, pinned: str) -> None:
    other = cloud.vaults[PLAIN].make_key("RSA")
    kek = cloud.open_kek(other, authKey=pinned)
    with pytest.raises(ConfigError, match=f"authKey is not of this KEK; it names .*{key}"):
        kek.wrap_dek(bytes(32), CONTEXT)


def test_it_stays_when_the_kek_is_rotated(cloud: Cloud, key: str, pinned: str) -> None:
    before = cloud.open_kek(key, authKey=pinned).wrap_dek(b"b" * 32, CONTEXT)
    cloud.vaults[PLAIN].rotate(key)
    kek = cloud.open_kek(key, authKey=pinned)
    after = kek.wrap_dek(b"a" * 32, CONTEXT)
    assert before.kek_version != after.kek_version
    assert kek.unwrap_dek(before, CONTEXT) == b"b" * 32
    assert kek.unwrap_dek(after, CONTEXT) == b"a" * 32


def test_version_that_wrapped_it_is_disabled(cloud: Cloud, key: str, pinned: str) -> None:
    cloud.vaults[PLAIN].rotate(key)
    cloud.vaults[PLAIN].keys[key][0].enabled = False
    kek = cloud.open_kek(key, authKey=pinned)
    with pytest.raises(KekDisabledError, match="disabled"):
        kek.wrap_dek(bytes(32), CONTEXT)


def test_it_needs_no_permission_more(cloud: Cloud, key: str, pinned: str) -> None:
    wrapped = cloud.open_kek(key, authKey=pinned).wrap_dek(b"d" * 32, CONTEXT)
    cloud.vaults[PLAIN].permissions["reader"] = frozenset({"unwrapKey"})
    reader = cloud.as_client("reader").open_kek(key, authKey=pinned)
    assert reader.unwrap_dek(wrapped, CONTEXT) == b"d" * 32


def test_blob_of_somebody_else(cloud: Cloud, key: str, pinned: str) -> None:
    """What opens without it is refused by whoever has it; blobs are as records are."""
    with open_kek(cloud.kek_parameters(key)) as without:
        blob = without.wrap(b"chosen by the attacker", {"purpose": "x"})
    with open_kek(cloud.kek_parameters(key) | {"authKey": pinned}) as kek:
        with pytest.raises(UnwrapError):
            kek.unwrap(blob, {"purpose": "x"})
        assert kek.unwrap(kek.wrap(b"data", {"purpose": "x"}), {"purpose": "x"}) == b"data"


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    with caplog.at_level(logging.WARNING, "kms_azure"):
        yield lambda: [r.getMessage() for r in caplog.records if "public half" in r.getMessage()]


Messages = Callable[[], list[str]]


def test_opening_without_it_warns_once(
    cloud: Cloud, key: str, pinned: str, warnings: Messages
) -> None:
    cloud.open_kek(key, authKey=pinned).wrap_dek(bytes(32), CONTEXT)
    assert warnings() == []
    kek = cloud.open_kek(key)
    assert len(warnings()) == 1
    assert f"{VAULT}.{PLAIN}/keys/{key}" in warnings()[0]
    kek.unwrap_dek(kek.wrap_dek(bytes(32), CONTEXT), CONTEXT)
    assert len(warnings()) == 1


@pytest.mark.parametrize(("kty", "expected"), [("RSA-HSM", 1), ("oct-HSM", 0)])
def test_managed_hsm_warns_of_rsa_only(
    cloud: Cloud, warnings: Messages, kty: str, expected: int
) -> None:
    kek = cloud.open_kek(cloud.vaults[HSM].make_key(kty), HSM)
    wrapped = kek.wrap_dek(bytes(32), CONTEXT)
    kek.unwrap_dek(wrapped, CONTEXT)
    assert len(warnings()) == expected


def test_key_that_becomes_an_aes_key(cloud: Cloud) -> None:
    """The authentication key stays in the config, and is in each record."""
    key = cloud.vaults[HSM].make_key("RSA-HSM")
    kek = cloud.open_kek(key, HSM, authKey=pin(cloud, key, HSM))
    before = kek.wrap_dek(b"b" * 32, CONTEXT)
    cloud.vaults[HSM].keys[key].append(Version("oct-HSM"))
    after = kek.wrap_dek(b"a" * 32, CONTEXT)
    assert after.algorithm == "A256KW+authKey"
    assert kek.unwrap_dek(before, CONTEXT) == b"b" * 32
    assert kek.unwrap_dek(after, CONTEXT) == b"a" * 32


WRONG: list[Any] = ["", "x", "é", " ", "S01TAQ", "=" * 8, token_bytes(200).hex()]


@pytest.mark.parametrize("text", WRONG)
def test_text_that_is_none(cloud: Cloud, key: str, text: str) -> None:
    with pytest.raises(ConfigError, match="authKey is not what `kms auth-key` wrote"):
        cloud.open_kek(key, authKey=text)


def test_text_that_was_damaged(cloud: Cloud, key: str, pinned: str) -> None:
    """Whatever of it is cut, added or changed, no DEK is made."""
    last = len(pinned) - 1
    changed = [pinned[:-1], pinned + "A", pinned + "=", pinned[:9] + "\n" + pinned[9:]]
    for position in (*range(0, last, 29), last):
        other = "A" if pinned[position] != "A" else "B"
        changed.append(pinned[:position] + other + pinned[position + 1 :])
    for text in changed:
        with pytest.raises(ConfigError, match="authKey"):
            cloud.open_kek(key, authKey=text).wrap_dek(bytes(32), CONTEXT)


def test_it_is_unwrapped_once(cloud: Cloud, key: str, pinned: str) -> None:
    kek = cloud.open_kek(key, authKey=pinned)
    wrapped = kek.wrap_dek(b"d" * 32, CONTEXT)
    opened: list[str] = []
    real = AzureKek._convert

    def count(self: AzureKek, operation: Any, *arguments: Any) -> bytes:
        opened.append(operation)
        return real(self, operation, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AzureKek, "_convert", count)
        kek.unwrap_dek(wrapped, CONTEXT)
    assert opened == ["unwrapKey"]


def test_init_has_the_key_wrap_one(
    cloud: Cloud, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What init writes names no endpoint, as that of our vault: it is opened where it is."""
    asked: list[Any] = []

    def open_here(kek: Any) -> Any:
        asked.append(kek)
        return open_kek(cloud.kek_parameters(key))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kms_core, "open_kek", open_here)
    place = {"vault-name": VAULT, "key-name": key, "account": "mydeks", "container": "records"}
    words = [word for name, value in place.items() for word in (f"--{name}", value)]
    with pytest.raises(SystemExit) as end:
        kms.main(["init", "azure", *words, "--auth-key", "new"], obj=Session())
    assert not end.value.code
    assert [one["keyName"] for one in asked] == [key]
    written = tomllib.loads((tmp_path / "kms.toml").read_text())["kek"]["authKey"]
    with open_kek(cloud.kek_parameters(key) | {"authKey": written}) as kek:
        assert kek.unwrap(kek.wrap(b"data", {"a": "b"}), {"a": "b"}) == b"data"
