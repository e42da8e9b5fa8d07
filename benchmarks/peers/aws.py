"""kms-aws, and the same calls by boto3 alone."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from typing import Any

from benchmarks.peers.ours import DEK_ID
from benchmarks.peers.ours import ours as everywhere
from benchmarks.serving import count_in_threads, serve_asked


def ours(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """As on every cloud, and a DEK that is in no cache yet, for many threads at once."""
    import kms_core

    calls = everywhere(settings)
    calls["kms-core create"]()  # the first tries conditional writes

    def cold() -> int:
        cached = kms_core.open_kms(settings["kek"], settings["storage"], cache={"ttl": 3600})
        return count_in_threads(lambda: cached.get_dek(DEK_ID), "Decrypt")

    return calls | {"kms-core cold": cold}


def as_set_by_us(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """By hand, with clients that check and add as little as ours."""
    from botocore.config import Config

    lean = Config(
        parameter_validation=False,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    made = by_hand({**settings, "client": settings["client"] | {"config": lean}}, "lean")
    return {name.replace("by hand", "lean"): call for name, call in made.items()}


def by_hand(settings: dict[str, Any], who: str = "by-hand") -> dict[str, Callable[[], object]]:
    """Decrypt, and to create also Encrypt and a conditional PutObject."""
    import boto3

    open_client: Any = boto3.client  # each service has a type of its own
    s3, kms = (open_client(name, **settings["client"]) for name in ("s3", "kms"))
    bucket, key = settings["storage"]["bucket"], settings["kek"]["keyName"]
    record = json.loads(s3.get_object(Bucket=bucket, Key=f"{DEK_ID}.json")["Body"].read())
    context = {"format": record["format"], "dek_id": DEK_ID, "created": record["created"]}
    context["size"] = str(record["size"])
    wrapped = b64decode(record["wrapped_dek"])[32:]  # behind the commitment
    numbers = count()

    def read() -> bytes:
        s3.get_object(Bucket=bucket, Key=f"{DEK_ID}.json")["Body"].read()
        found = kms.decrypt(KeyId=key, CiphertextBlob=wrapped, EncryptionContext=context)
        return bytes(found["Plaintext"])

    def create() -> None:
        dek_id, dek = f"{who}-{next(numbers)}", os.urandom(64)
        bound = {**context, "dek_id": dek_id}
        made = kms.encrypt(KeyId=key, Plaintext=dek, EncryptionContext=bound)["CiphertextBlob"]
        proof = kms.decrypt(KeyId=key, CiphertextBlob=made, EncryptionContext=bound)
        assert proof["Plaintext"] == dek
        body = json.dumps(record | {"wrapped_dek": b64encode(made).decode()}).encode()
        s3.put_object(
            Bucket=bucket,
            Key=f"{dek_id}.json",
            Body=body,
            IfNoneMatch="*",
            ContentType="application/json",
            ChecksumSHA256=b64encode(sha256(body).digest()).decode(),
        )

    read()
    return {"by hand read": read, "by hand create": create}


if __name__ == "__main__":
    serve_asked((ours, by_hand, as_set_by_us), "boto3")
