"""``kms://cluster-kms``: DEKs derived from a master secret with HKDF-SHA256 (RFC 5869)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from kms_cluster.config import ClusterConfig
from kms_cluster.master_secret import read_master_secret
from kms_core import KekInfo
from kms_core.backend import DeriverSpec, check_dek_id, check_dek_size, hookimpl


class ClusterKms(DeriverSpec):
    """Derives with the dek_id's bytes as HKDF's info.

    HKDF's first step depends on the master secret and the salt alone, so it is done once, and
    the master secret itself is not kept.
    """

    Config = ClusterConfig

    def __init__(self, config: ClusterConfig) -> None:
        key, salt = read_master_secret(config)
        extract = HMAC(salt, SHA256())
        extract.update(key)
        self._pseudorandom_key = extract.finalize()

    @hookimpl
    def derive_dek(self, dek_id: str, size: int) -> bytes:
        info = check_dek_id(dek_id)
        check_dek_size(size)
        return self._expand(info, size)

    @hookimpl
    def describe_kek(self) -> KekInfo:
        return KekInfo("cluster-kms", "", "HKDF-SHA256")

    @hookimpl
    def close(self) -> None:
        """Nothing is held open."""

    def _expand(self, info: bytes, size: int) -> bytes:
        return HKDFExpand(SHA256(), size, info).derive(self._pseudorandom_key)
