"""tink-py: a keyset as the DEK of a name, encrypted by AWS KMS, kept in S3; and its envelope.

It keeps nothing itself, so boto3 does. It proves no wrap: a create is two calls, ours three.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any

import tink
from tink import aead

from benchmarks.serving import read_settings, serve

TEXT, DEK_ID = bytes(32), "volume-42"


def on_aws(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """A named keyset."""
    import boto3
    from tink.integration import awskms

    open_client: Any = boto3.client  # each service has a type of its own
    s3, kms = (open_client(name, **settings["client"]) for name in ("s3", "kms"))
    uri, bucket = f"aws-kms://{settings['kek']['keyName']}", settings["storage"]["bucket"]
    kek = awskms.new_client(boto3_client=kms, key_uri=uri).get_aead(uri)
    numbers, template = count(), aead.aead_key_templates.AES256_GCM

    def create(dek_id: str = "") -> None:
        dek_id = dek_id or f"tink-{next(numbers)}"
        made = tink.new_keyset_handle(template)
        sealed = tink.json_proto_keyset_format.serialize_encrypted(made, kek, dek_id.encode())
        s3.put_object(Bucket=bucket, Key=dek_id, Body=sealed.encode(), IfNoneMatch="*")

    def read() -> object:
        found = s3.get_object(Bucket=bucket, Key="tink")["Body"].read().decode()
        return tink.json_proto_keyset_format.parse_encrypted(found, kek, b"tink")

    create("tink")
    return {"read": read, "create": create}


def envelope() -> dict[str, Callable[[], object]]:
    """Its envelope, whose DEK is wrapped under no associated data."""
    template = aead.aead_key_templates.AES256_GCM
    remote = tink.new_keyset_handle(template).primitive(aead.Aead)
    sealing = aead.KmsEnvelopeAead(template, remote)
    sealed = sealing.encrypt(TEXT, DEK_ID.encode())
    return {
        "seal": lambda: sealing.encrypt(TEXT, DEK_ID.encode()),
        "open": lambda: sealing.decrypt(sealed, DEK_ID.encode()),
    }


if __name__ == "__main__":
    aead.register()
    told = read_settings()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    serve((on_aws(told) if "kek" in told else {}) | envelope(), "tink", "boto3")
