"""What a read of kms-aws costs beside the same two calls of bare boto3, as CPU of this process.

Usage: python -m benchmarks.aws_read, with the dependency groups `servers` and `test` installed.

The server is moto in a process of its own. Both sides take turns, so that a busy machine slows both
alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import kms_core
from kms_core._deks.record import decode_record
from kms_core.backend import encode_object_name
from tests.aws.cloud import Cloud
from tests.fakes.aws.servers import start_moto

ROUNDS, CALLS, DEK_ID = 25, 20, "volume-42"


def cpu_seconds(call: Callable[[], object]) -> float:
    """CPU of one round of calls."""
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return time.process_time() - started


def bare_read(cloud: Cloud, bucket: str, key: str) -> Callable[[], bytes]:
    """The same two calls by boto3 alone: of the same object, and with the same context."""
    s3, kms = cloud.admin("s3"), cloud.admin("kms")
    name = encode_object_name(DEK_ID)
    record = decode_record(s3.get_object(Bucket=bucket, Key=name)["Body"].read(), DEK_ID)

    def read() -> bytes:
        s3.get_object(Bucket=bucket, Key=name)["Body"].read()
        found: dict[str, Any] = kms.decrypt(
            KeyId=key,
            CiphertextBlob=record.wrapped_dek[32:],  # behind the commitment
            EncryptionContext=record.context,
        )
        dek: bytes = found["Plaintext"][32:]
        return dek

    return read


def main() -> None:
    """Measure and print."""
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with start_moto() as server:
        cloud = Cloud(server)
        bucket, key = cloud.make_bucket(), cloud.make_key()
        kek = {"backend": "aws", "keyName": key, **cloud.parameters}
        storage = {"backend": "aws", "bucket": bucket, **cloud.parameters}
        with kms_core.open_kms(kek, storage) as kms:
            kms.create_dek(DEK_ID)
            bare = bare_read(cloud, bucket, key)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(cpu_seconds(lambda: kms.get_dek(DEK_ID)))
                theirs.append(cpu_seconds(bare))
    per_call = 1000 / CALLS
    print(f"bare boto3  {median(theirs) * per_call:6.2f} ms CPU")
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"kms-aws     {median(ours) * per_call:6.2f} ms CPU   {ratio:.3f} x bare boto3")


if __name__ == "__main__":
    main()
