"""The AWS Encryption SDK: a message in S3 as the DEK of a name; its cache; a raw AES keyring.

It keeps nothing itself, so boto3 does. It proves no wrap: a create is two calls, ours three.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CacheTypeDefault,
    CreateAwsKmsHierarchicalKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateRawAesKeyringInput,
    DefaultCache,
)

from benchmarks.serving import count_in_threads, read_settings, serve

TEXT, DEK_ID, TTL, ENTRIES = bytes(32), "volume-42", 3600, 1000


def on_aws(
    client: Any, providers: Any, settings: dict[str, Any]
) -> dict[str, Callable[[], object]]:
    """A named message, with a keyring of AWS KMS."""
    import boto3

    open_client: Any = boto3.client  # each service has a type of its own
    s3, kms = (open_client(name, **settings["client"]) for name in ("s3", "kms"))
    key, bucket = settings["kek"]["keyName"], settings["storage"]["bucket"]
    asked = CreateAwsKmsKeyringInput(kms_key_id=key, kms_client=kms)
    keyring, numbers = providers.create_aws_kms_keyring(input=asked), count()

    def create(dek_id: str = "") -> None:
        dek_id = dek_id or f"esdk-{next(numbers)}"
        bound = {"dek_id": dek_id}
        sealed, _ = client.encrypt(source=os.urandom(32), keyring=keyring, encryption_context=bound)
        s3.put_object(Bucket=bucket, Key=dek_id, Body=sealed, IfNoneMatch="*")

    def read() -> bytes:
        sealed = s3.get_object(Bucket=bucket, Key="esdk")["Body"].read()
        dek, _ = client.decrypt(
            source=sealed, keyring=keyring, encryption_context={"dek_id": "esdk"}
        )
        return bytes(dek)

    create("esdk")
    named: dict[str, Callable[[], object]] = {"read": read, "create": create}
    return named | hierarchical(client, providers, settings, kms)


def hierarchical(
    client: Any, providers: Any, settings: dict[str, Any], kms: Any
) -> dict[str, Callable[[], object]]:
    """Decrypts one message with the hierarchical keyring, whose cache keeps branch keys."""
    import boto3
    from aws_cryptographic_material_providers.keystore import (
        client as store,
    )
    from aws_cryptographic_material_providers.keystore import (
        config,
        models,
    )

    key = models.KMSConfigurationKmsKeyArn(settings["kek"]["keyName"])
    keys = store.KeyStore(
        config.KeyStoreConfig(
            ddb_table_name="keys",
            logical_key_store_name="keys",
            kms_configuration=key,
            ddb_client=boto3.client("dynamodb", **settings["client"]),
            kms_client=kms,
        )
    )
    keys.create_key_store(models.CreateKeyStoreInput())
    branch = keys.create_key(models.CreateKeyInput()).branch_key_identifier

    def keyring() -> Any:
        return providers.create_aws_kms_hierarchical_keyring(
            CreateAwsKmsHierarchicalKeyringInput(
                key_store=keys,
                branch_key_id=branch,
                ttl_seconds=TTL,
                cache=CacheTypeDefault(value=DefaultCache(entry_capacity=ENTRIES)),
            )
        )

    kept, bound = keyring(), {"dek_id": "esdk"}
    sealed, _ = client.encrypt(source=TEXT, keyring=kept, encryption_context=bound)

    def decrypt(ring: Any) -> object:
        return client.decrypt(source=sealed, keyring=ring, encryption_context=bound)

    def cold() -> int:
        ring = keyring()
        return count_in_threads(lambda: decrypt(ring), "Decrypt")

    return {"cached": lambda: decrypt(kept), "cold": cold}


def envelope(client: Any, providers: Any) -> dict[str, Callable[[], object]]:
    """A raw AES keyring, which asks no KMS."""
    keys = providers.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="a",
            key_name="b",
            wrapping_key=os.urandom(32),
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )
    bound = {"keyring": keys, "encryption_context": {"dek_id": DEK_ID}}
    sealed, _ = client.encrypt(source=TEXT, **bound)
    return {
        "seal": lambda: client.encrypt(source=TEXT, **bound),
        "open": lambda: client.decrypt(source=sealed, **bound),
    }


if __name__ == "__main__":
    opened = aws_encryption_sdk.EncryptionSDKClient()
    library = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    told = read_settings()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    calls = envelope(opened, library)
    if "kek" in told:
        calls |= on_aws(opened, library, told)
    serve(calls, "aws-encryption-sdk", "aws-cryptographic-material-providers", "boto3")
