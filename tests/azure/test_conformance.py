"""The kit of kms_core.testing against our Key Vault and Azurite."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import kms_azure.storage
import kms_core
from kms_azure.kek import AzureKek
from kms_core.backend import encode_object_name
from kms_core.backend.auth_key import make_auth_key
from kms_core.testing import KekConformance, KekHarness, StorageConformance, StorageHarness
from tests.azure.cloud import HANGING, Cloud
from tests.fakes.azure.servers import CLIENT_SECRET


class AzureKekConformance(KekConformance):
    vault_type: ClassVar[str]
    kty: ClassVar[str]
    wired: ClassVar[bool] = False
    """Whether the wire fails too: our client is the same for every kind of key."""

    def more(self, cloud: Cloud, key: str) -> dict[str, Any]:
        """Further parameters."""
        return {}

    @pytest.fixture
    def harness(self, cloud: Cloud) -> KekHarness:
        vault = cloud.vaults[self.vault_type]
        vault.permissions["nobody"] = frozenset()
        key, other = vault.make_key(self.kty), vault.make_key(self.kty)
        [version] = vault.keys[key]
        more = self.more(cloud, key)

        def open_at(url: str) -> AzureKek:
            reached = cloud.reached_at({self.vault_type: url})
            return reached.open_kek(key, self.vault_type, **HANGING, **more)

        return KekHarness(
            open=lambda: cloud.open_kek(key, self.vault_type, **more),
            open_other=lambda: cloud.open_kek(other, self.vault_type),
            open_missing=lambda: cloud.open_kek("missing", self.vault_type),
            open_forbidden=lambda: cloud.as_client("nobody").open_kek(key, self.vault_type, **more),
            endpoint=vault.url,
            open_at=open_at if self.wired else None,
            attempts=HANGING["maxAttempts"],
            disable=lambda: setattr(version, "enabled", False),
            rotate=lambda: vault.rotate(key),
            wrap_foreign=lambda data: (version.wrap(version.algorithm, data), version.name),
            secrets=[CLIENT_SECRET],
        )


class TestKeyVaultRsa(AzureKekConformance):
    vault_type, kty = "vault.azure.net", "RSA"
    wired = True


@pytest.mark.rest
class TestKeyVaultRsaWithAuthKey(AzureKekConformance):
    vault_type, kty = "vault.azure.net", "RSA"

    def more(self, cloud: Cloud, key: str) -> dict[str, Any]:
        with kms_core.open_kek(cloud.kek_parameters(key)) as kek:
            return {"authKey": make_auth_key(kek.wrap)}


@pytest.mark.rest
class TestManagedHsmRsa(AzureKekConformance):
    vault_type, kty = "managedhsm.azure.net", "RSA-HSM"
    wired = True


class TestManagedHsmAes(AzureKekConformance):
    vault_type, kty = "managedhsm.azure.net", "oct-HSM"


class TestBlobStorage(StorageConformance):
    page_size = 50
    race_rounds = 4  # Azurite is no store of anybody's

    @pytest.fixture
    def harness(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> StorageHarness:
        monkeypatch.setattr(kms_azure.storage, "_PAGE_SIZE", self.page_size)
        container = cloud.make_container()
        put = cloud.admin(container).upload_blob
        return StorageHarness(
            open=lambda: cloud.open_storage(container),
            open_missing=lambda: cloud.open_storage(f"not-{container}"),
            endpoint=cloud.blobs.url,
            open_at=lambda url: cloud.reached_at({"azurite": url}).open_storage(
                container, **HANGING
            ),
            attempts=HANGING["maxAttempts"],
            plant_record=lambda dek_id, data: put(encode_object_name(dek_id), data),
            plant_name=lambda name: put(name, b"foreign"),
            keep_old_records=lambda: cloud.store.keeping.add(container),
            plant_object=put,
            secrets=[CLIENT_SECRET],
        )
