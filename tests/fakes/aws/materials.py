"""Which key material wrapped what, as AWS KMS tells it and no test server does."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import Any


class Materials:
    """Of all keys of one server: follows their rotations, and what each wrapped.

    A key and its replicas in other regions have the same material.
    """

    def __init__(self) -> None:
        self._rotations: Counter[str] = Counter()
        self._wrapped: dict[str, str] = {}

    def tell(self, call: str, request: dict[str, Any], reply: dict[str, Any]) -> None:
        """Add to the reply what the service says of key material."""
        if call == "RotateKeyOnDemand":
            self._rotations[_id_of(reply["KeyId"])] += 1
        elif call == "Encrypt":
            self._wrapped[reply["CiphertextBlob"]] = self._newest(reply["KeyId"])
        elif call == "Decrypt":
            reply["KeyMaterialId"] = self._find(request, reply["KeyId"])
        elif call == "ReEncrypt":
            newest = self._wrapped[reply["CiphertextBlob"]] = self._newest(reply["KeyId"])
            reply["SourceKeyMaterialId"] = self._find(request, reply["SourceKeyId"])
            reply["DestinationKeyMaterialId"] = newest
        elif call == "DescribeKey":
            key = reply["KeyMetadata"]
            key["CurrentKeyMaterialId"] = self._newest(key["Arn"])

    def _newest(self, key: str) -> str:
        return _material(key, self._rotations[_id_of(key)])

    def _find(self, request: dict[str, Any], key: str) -> str:
        return self._wrapped.get(request["CiphertextBlob"]) or _material(key, 0)


def _id_of(key: str) -> str:
    return key.rpartition("/")[2]


def _material(key: str, rotations: int) -> str:
    return sha256(f"{_id_of(key)} {rotations}".encode()).hexdigest()
