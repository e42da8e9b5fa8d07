"""kms-azure, and the same calls by Azure's SDK alone."""

from __future__ import annotations

import json
import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from itertools import count
from typing import Any

from benchmarks.peers.ours import DEK_ID, ours
from benchmarks.serving import serve_asked


def by_hand(settings: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """The vault's wrap and unwrap by KeyClient.send_request: CryptographyClient wraps locally."""
    from azure.core.rest import HttpRequest
    from azure.identity import ClientSecretCredential
    from azure.keyvault.keys import KeyClient
    from azure.storage.blob import ContainerClient, ContentSettings

    kek, storage = settings["kek"], settings["storage"]
    identity = ClientSecretCredential(
        *(kek[name] for name in ("tenantID", "clientID", "clientSecret")),
        authority=kek["authority"],
        disable_instance_discovery=True,
    )
    vault = KeyClient(kek["endpoint"], identity, verify_challenge_resource=False)
    container = ContainerClient(storage["endpoint"], storage["container"], credential=identity)
    record = json.loads(container.get_blob_client(f"{DEK_ID}.json").download_blob().readall())
    version = f"/keys/{kek['keyName']}/{record['kek']['version']}"
    stored = b64decode(record["wrapped_dek"])[32:]  # behind the commitment
    wrapped = stored[2 : 2 + int.from_bytes(stored[:2])]
    numbers, json_type = count(), ContentSettings(content_type="application/json")

    def convert(operation: str, value: bytes) -> bytes:
        text = urlsafe_b64encode(value).rstrip(b"=").decode()
        body = {"alg": "RSA-OAEP-256", "value": text}
        response = vault.send_request(HttpRequest("POST", f"{version}/{operation}", json=body))
        response.raise_for_status()
        return b64decode(response.json()["value"] + "==", altchars=b"-_")

    def read() -> bytes:
        container.get_blob_client(f"{DEK_ID}.json").download_blob().readall()
        return convert("unwrapkey", wrapped)

    def create() -> None:
        dek = os.urandom(32)
        vault.get_key(kek["keyName"])
        made = convert("wrapkey", dek)
        assert convert("unwrapkey", made) == dek
        body = json.dumps(record | {"wrapped_dek": made.hex()}).encode()
        blob = container.get_blob_client(f"by-hand-{next(numbers)}.json")
        blob.upload_blob(body, overwrite=False, content_settings=json_type)

    read()
    return {"by hand read": read, "by hand create": create}


if __name__ == "__main__":
    serve_asked((ours, by_hand), "azure-identity", "azure-keyvault-keys", "azure-storage-blob")
