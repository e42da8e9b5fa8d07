"""The kit of kms_core.testing against our Key Vault and Azurite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

import kms_azure.storage
import kms_core
from kms_azure.kek import AzureKek
from kms_azure.storage import AzureStorage
from kms_core.backend import encode_object_name
from kms_core.backend.auth_key import make_auth_key
from kms_core.testing import KekConformance, StorageConformance
from tests.azure.cloud import PATIENT, Cloud
from tests.fakes.azure.servers import CLIENT_SECRET


class AzureKekConformance(KekConformance):
    vault_type: ClassVar[str]
    kty: ClassVar[str]

    @pytest.fixture
    def key(self, cloud: Cloud) -> str:
        return cloud.vaults[self.vault_type].make_key(self.kty)

    @pytest.fixture
    def more(self) -> dict[str, Any]:
        """Further parameters."""
        return {}

    @pytest.fixture
    def open_kek(self, cloud: Cloud, key: str, more: dict[str, Any]) -> Callable[[], AzureKek]:
        return lambda: cloud.open_kek(key, self.vault_type, **more)

    @pytest.fixture
    def open_other_kek(self, cloud: Cloud) -> Callable[[], AzureKek]:
        other = cloud.vaults[self.vault_type].make_key(self.kty)
        return lambda: cloud.open_kek(other, self.vault_type)

    @pytest.fixture
    def open_missing_kek(self, cloud: Cloud) -> Callable[[], AzureKek]:
        return lambda: cloud.open_kek("missing", self.vault_type)

    @pytest.fixture
    def open_unreachable(
        self, cloud: Cloud, key: str, more: dict[str, Any], closed_port: int
    ) -> Callable[[], AzureKek]:
        away = cloud.reached_at({self.vault_type: f"https://127.0.0.1:{closed_port}"})
        return lambda: away.open_kek(key, self.vault_type, **PATIENT, **more)

    @pytest.fixture
    def open_forbidden(
        self, cloud: Cloud, key: str, more: dict[str, Any]
    ) -> Callable[[], AzureKek]:
        cloud.vaults[self.vault_type].permissions["nobody"] = frozenset()
        return lambda: cloud.as_client("nobody").open_kek(key, self.vault_type, **more)

    @pytest.fixture
    def disable_kek(self, cloud: Cloud, key: str) -> Callable[[], None]:
        [version] = cloud.vaults[self.vault_type].keys[key]
        return lambda: setattr(version, "enabled", False)

    @pytest.fixture
    def rotate_kek(self, cloud: Cloud, key: str) -> Callable[[], None]:
        return lambda: cloud.vaults[self.vault_type].rotate(key)

    @pytest.fixture
    def secrets(self) -> Sequence[str]:
        return [CLIENT_SECRET]


class TestKeyVaultRsa(AzureKekConformance):
    vault_type, kty = "vault.azure.net", "RSA"


class TestKeyVaultRsaWithAuthKey(AzureKekConformance):
    vault_type, kty = "vault.azure.net", "RSA"

    @pytest.fixture
    def more(self, cloud: Cloud, key: str) -> dict[str, Any]:
        with kms_core.open_kek(cloud.kek_parameters(key)) as kek:
            return {"authKey": make_auth_key(kek.wrap)}


class TestManagedHsmRsa(AzureKekConformance):
    vault_type, kty = "managedhsm.azure.net", "RSA-HSM"


class TestManagedHsmAes(AzureKekConformance):
    vault_type, kty = "managedhsm.azure.net", "oct-HSM"


class TestBlobStorage(StorageConformance):
    page_size = 50

    @pytest.fixture
    def container(self, cloud: Cloud) -> str:
        return cloud.make_container()

    @pytest.fixture
    def open_storage(
        self, cloud: Cloud, container: str, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[], AzureStorage]:
        monkeypatch.setattr(kms_azure.storage, "_PAGE_SIZE", self.page_size)
        return lambda: cloud.open_storage(container)

    @pytest.fixture
    def open_unreachable(
        self, cloud: Cloud, container: str, closed_port: int
    ) -> Callable[[], AzureStorage]:
        away = cloud.reached_at({"azurite": f"https://127.0.0.1:{closed_port}"})
        return lambda: away.open_storage(container, **PATIENT)

    @pytest.fixture
    def plant_record(self, cloud: Cloud, container: str) -> Callable[[str, bytes], object]:
        admin = cloud.admin(container)
        return lambda dek_id, data: admin.upload_blob(encode_object_name(dek_id), data)

    @pytest.fixture
    def secrets(self) -> Sequence[str]:
        return [CLIENT_SECRET]
