"""The cluster KMS against published vectors, and what it refuses."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kms_core
from kms_cluster.config import ClusterConfig
from kms_cluster.deriver import ClusterKms
from tests.secret_files import write_private

# Constellation's own vectors.
VECTORS = [
    (bytes(32), bytes(32), "key-00000000-0000-0000-0000-000000000000",
     "2b5c829f691bfd4232f8aac464bccc07e605c7c8e82cbca09837e86d0b6d0665"),
    (b"\xff" * 32, b"\xff" * 32, "key-ffffffff-ffff-ffff-ffff-ffffffffffff",
     "1484aa39d3415e906e07940ff215d8b1eee705d3027dba93306af4abff4f70be"),
    (bytes(range(0x20)), bytes(range(0x20, 0x40)), "key-clusterID",
     "128c164378fe8767f998fbdfe4b4d6463ec5ae1b664ea5999bc27417607ae9b6"),
    (bytes(range(0x40, 0x60)), bytes(range(0x60, 0x80)), "key-measurementSecret",
     "4790578891f3fe6cc22cb661ecdc1b7e33121b1287546a52ba33a9136719c213"),
]  # fmt: skip
# RFC 5869, appendix A.1 and A.2. Their info is no text, so no dek_id.
RFC_VECTORS = [
    (b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)),
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    (bytes(range(0x50)), bytes(range(0x60, 0xB0)), bytes(range(0xB0, 0x100)),
     ("b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
     "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
     "cc30c58179ec3e87c14c01d5c1f3434f1d87")),
]  # fmt: skip


def encode(secret: bytes) -> str:
    return urlsafe_b64encode(secret).decode()


def uri(key: bytes = bytes(32), salt: bytes = bytes(32), more: str = "") -> str:
    return f"kms://cluster-kms?key={encode(key)}&salt={encode(salt)}{more}"


@pytest.mark.parametrize(("key", "salt", "dek_id", "dek"), VECTORS)
def test_published_vectors(key: bytes, salt: bytes, dek_id: str, dek: str) -> None:
    with kms_core.open_kms(uri(key, salt)) as kms:
        assert kms.get_dek(dek_id, create=True).hex() == dek


@pytest.mark.parametrize(("key", "salt", "info", "dek"), RFC_VECTORS)
def test_vectors_of_the_rfc(key: bytes, salt: bytes, info: bytes, dek: str) -> None:
    given = {"key": encode(key), "salt": encode(salt), "allowShort": "true"}
    deriver = ClusterKms(ClusterConfig.from_parameters(given))
    assert deriver._expand(info, len(dek) // 2).hex() == dek


def test_a_shorter_dek_is_the_start_of_a_longer_one() -> None:
    with kms_core.open_kms(uri()) as kms:
        long = kms.get_dek("a", size=8160, create=True)
        assert len(long) == 8160
        for size in (1, 16, 32, 33):
            assert kms.get_dek("a", size=size, create=True) == long[:size]


def test_an_id_in_another_case_is_another_dek() -> None:
    with kms_core.open_kms(uri()) as kms:
        assert kms.get_dek("a", create=True) != kms.get_dek("A", create=True)


def test_nothing_is_stored_created_or_missing() -> None:
    with kms_core.open_kms(uri(), "storage://file?path=/nonexistent") as kms:
        assert kms.get_dek("a", create=False) == kms.get_dek("a", create=True)
        assert repr(kms) == "<Kms kms://cluster-kms storage://no-store>"
        with pytest.raises(kms_core.ConfigError, match="derives its DEKs"):
            list(kms.list_dek_ids())
        with pytest.raises(kms_core.ConfigError, match="no storage"):
            kms.describe_storage()
        assert kms.describe_kek() == kms_core.KekInfo("cluster-kms", "", "HKDF-SHA256")


@pytest.mark.parametrize("size", [0, -1, 8161])
def test_sizes_out_of_range(size: int) -> None:
    config = ClusterConfig.from_parameters({"key": encode(bytes(32)), "salt": encode(bytes(32))})
    with pytest.raises(kms_core.DekSizeError):
        ClusterKms(config).derive_dek("a", size)


def test_an_empty_id() -> None:
    with kms_core.open_kms(uri()) as kms, pytest.raises(kms_core.DekIdError):
        kms.get_dek("", create=True)


@pytest.mark.parametrize(
    ("key_size", "salt_size", "message"),
    [
        (15, 32, "key has 15 bytes; at least 16"),
        (16, 31, "salt has 31 bytes; at least 32"),
        (0, 32, "has no value"),
    ],
)
def test_short_secrets_are_refused(key_size: int, salt_size: int, message: str) -> None:
    with pytest.raises(kms_core.ConfigError, match=message):
        kms_core.open_kms(uri(b"k" * key_size, b"s" * salt_size))


def test_the_shortest_secrets() -> None:
    kms_core.open_kms(uri(bytes(16), bytes(32))).close()
    kms_core.open_kms(uri(b"1", b"2", "&allowShort=true")).close()
    with pytest.raises(kms_core.ConfigError, match="key has 0 bytes; at least 1"):
        kms_core.open_kms({"backend": "cluster-kms", "key": "", "salt": "AA==", "allowShort": True})


@pytest.mark.parametrize(
    "wrong",
    [
        "SECRET",
        "SECRETSECRETSECRETSECRE",
        "SECRET+SECRET/SECRETSECRE=",
        "SECRET==SECRETSECRETSECRE=",
        "SECRET SECRET",
        "SECRET====",
        "SÉCRET==",
    ],
)
def test_wrong_base64_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(kms_core.ConfigError, match="key is not base64url with padding") as caught:
        kms_core.open_kms({"backend": "cluster-kms", "key": wrong, "salt": encode(bytes(32))})
    assert "CRET" not in str(caught.value)
    assert caught.value.__context__ is None


def test_secrets_from_files_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kms_core.open_kms(uri(b"k" * 32, b"s" * 32)) as kms:
        dek = kms.get_dek("a", create=True)
    write_private(tmp_path / "key", encode(b"k" * 32) + "\n")
    monkeypatch.setenv("KMS_KEK_CLUSTER_KMS_SALT", encode(b"s" * 32))
    with kms_core.open_kms(f"kms://cluster-kms?keyFile={tmp_path}/key") as kms:
        assert kms.get_dek("a", create=True) == dek


def test_the_secrets_are_not_kept() -> None:
    secret, salt = b"master secret of the cluster....", b"salt of the cluster............."
    config = ClusterConfig.from_parameters({"key": encode(secret), "salt": encode(salt)})
    deriver = ClusterKms(config)
    dek = deriver.derive_dek("a", 32)
    held = list(vars(deriver).values())
    assert secret not in held
    assert salt not in held
    assert dek not in held
    assert encode(secret) not in repr(config)
    assert "master" not in repr(config)


@given(st.text(), st.text())
def test_any_parameters_are_read_or_refused(key: str, salt: str) -> None:
    with pytest.raises(kms_core.ConfigError):
        kms_core.open_kms({"backend": "cluster-kms", "key": key, "salt": salt})
