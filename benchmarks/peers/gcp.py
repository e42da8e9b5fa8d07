"""kms-gcp, and the same calls by Google's SDK alone."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.ours import DEK_ID, ours
from benchmarks.serving import serve_asked

SCOPE = "https://www.googleapis.com/auth/cloudkms"


def by_hand(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """With the CRC32C of all, as Google's data integrity guidelines ask for."""
    from google.cloud.kms_v1 import KeyManagementServiceClient
    from google.cloud.storage import Client
    from google.oauth2.service_account import Credentials
    from google_crc32c import value as crc32c

    kek, storage = settings["kek"], settings["storage"]
    file = kek["credentialsPath"]
    kms = KeyManagementServiceClient(
        credentials=Credentials.from_service_account_file(file, scopes=[SCOPE]),  # type: ignore[no-untyped-call] # the SDK lacks types
        client_options={"api_endpoint": urlsplit(kek["endpoint"]).netloc},
    )
    client = Client.from_service_account_json(
        file, client_options={"api_endpoint": storage["endpoint"]}
    )
    bucket, key = client.bucket(storage["bucket"]), settings["key"]
    record = json.loads(bucket.blob(f"{DEK_ID}.json").download_as_bytes())
    wrapped, aad = b64decode(record["wrapped_dek"])[64:], settings["aad"].encode()
    sums = {
        "additional_authenticated_data": aad,
        "additional_authenticated_data_crc32c": crc32c(aad),
    }
    numbers = count()

    def decrypt(ciphertext: bytes) -> bytes:
        asked = {"name": key, "ciphertext": ciphertext, "ciphertext_crc32c": crc32c(ciphertext)}
        reply = kms.decrypt(asked | sums)
        assert reply.plaintext_crc32c == crc32c(reply.plaintext)
        return bytes(reply.plaintext)

    def read() -> bytes:
        bucket.blob(f"{DEK_ID}.json").download_as_bytes()
        return decrypt(wrapped)

    def create() -> None:
        dek = os.urandom(64)
        asked = {"name": key, "plaintext": dek, "plaintext_crc32c": crc32c(dek)}
        made = kms.encrypt(asked | sums)
        assert made.verified_plaintext_crc32c
        assert made.ciphertext_crc32c == crc32c(made.ciphertext)
        assert decrypt(made.ciphertext) == dek
        body = json.dumps(record | {"wrapped_dek": b64encode(made.ciphertext).decode()}).encode()
        bucket.blob(f"by-hand-{next(numbers)}.json").upload_from_string(
            body, content_type="application/json", if_generation_match=0, checksum="crc32c"
        )

    read()
    return {"by hand read": read, "by hand create": create}


if __name__ == "__main__":
    serve_asked((ours, by_hand), "google-cloud-kms", "google-cloud-storage")
