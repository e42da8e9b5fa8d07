"""Confluent's client: the DEK of a subject, kept by a DEK registry, wrapped by AWS KMS.

It keeps DEKs in clear for as long as it lives, so to read one again its cache is emptied. It
proves no wrap: a create is three calls too, since it looks for the DEK first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any

from confluent_kafka.schema_registry import Rule, RuleKind, RuleMode, RuleParams
from confluent_kafka.schema_registry.rules.encryption.awskms.aws_driver import AwsKmsDriver
from confluent_kafka.schema_registry.rules.encryption.encrypt_executor import EncryptionExecutor
from confluent_kafka.schema_registry.serde import FieldType, RuleContext
from confluent_kafka.serialization import MessageField, SerializationContext

from benchmarks.serving import count_in_threads, read_settings, serve

TEXT = bytes(32)


def on_aws(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """A named DEK, which encrypts or decrypts 32 bytes when it is there."""
    AwsKmsDriver.register()
    key = settings["kek"]["keyName"]
    parameters = {
        "encrypt.kek.name": "kek",
        "encrypt.kms.type": "aws-kms",
        "encrypt.kms.key.id": key,
    }
    kind, mode = RuleKind.TRANSFORM, RuleMode.WRITEREAD
    params = RuleParams(parameters)
    rule = Rule("r", None, kind, mode, "ENCRYPT_PAYLOAD", None, params, None, None, None, False)  # noqa: FBT003 -- its signature
    executor = EncryptionExecutor()
    client = settings["client"]
    secrets = {"access.key.id": client["aws_access_key_id"]}
    secrets["secret.access.key"] = client["aws_secret_access_key"]
    executor.configure({"url": settings["registry"]}, secrets)
    numbers = count()

    def run(subject: str, mode: RuleMode, text: bytes) -> bytes:
        where = SerializationContext(subject, MessageField.VALUE)
        context = RuleContext(None, where, None, None, subject, mode, rule, 0, [rule], None, None)
        transform = executor.new_transform(context)
        return bytes(transform.transform(context, FieldType.BYTES, text))

    sealed = run("confluent", RuleMode.WRITE, TEXT)

    def open_again() -> bytes:
        return run("confluent", RuleMode.READ, sealed)

    def forget() -> None:
        executor.client._dek_cache.clear()  # noqa: SLF001 -- nothing of it is public

    def read() -> bytes:
        forget()
        return open_again()

    def cold() -> int:
        forget()
        return count_in_threads(open_again, "Decrypt")

    return {
        "read": read,
        "create": lambda: run(f"confluent-{next(numbers)}", RuleMode.WRITE, TEXT),
        "cached": open_again,
        "cold": cold,
    }


if __name__ == "__main__":
    told = read_settings()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_ENDPOINT_URL"] = told["client"]["endpoint_url"]
    serve(on_aws(told), "confluent-kafka", "tink", "boto3")
