"""Google Cloud as a test sees it: the servers, and backends that talk to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

from kms_gcp.config import GcpKekConfig, GcpStorageConfig
from kms_gcp.kek import GcpKek
from kms_gcp.permissions import PURPOSES, TO_CREATE_THE_BUCKET
from kms_gcp.storage import GcpStorage
from tests.fakes.certificates import Certificates
from tests.fakes.gcp.accounts import PROJECT, Account, Accounts
from tests.fakes.gcp.kms_server import Key, KmsServer
from tests.fakes.gcp.storage_server import Front
from tests.fakes.gcp.token_server import TokenServer

_ALL = sorted({permission for purpose in PURPOSES.values() for permission in purpose})
KEK_PERMISSIONS = tuple(permission for permission in _ALL if permission.startswith("cloudkms."))
RECORD_PERMISSIONS = ("storage.objects.create", "storage.objects.get")
MORE_PERMISSIONS = ("storage.objects.delete", "storage.objects.list", "storage.buckets.get")
BUCKET_PERMISSIONS = TO_CREATE_THE_BUCKET
PROMISED = {*KEK_PERMISSIONS, *RECORD_PERMISSIONS, *MORE_PERMISSIONS, *BUCKET_PERMISSIONS}
"""What an administrator has to allow, at most."""
PATIENT = {"connectTimeout": 60, "readTimeout": 60, "deadline": 300}
"""For calls that are answered, or end by themselves, however busy this machine is."""
HANGING = {"connectTimeout": 0.2, "readTimeout": 0.2, "deadline": 1}
"""For calls that hang, each of which takes so long."""
SOME_HANG = PATIENT | {"connectTimeout": 1, "readTimeout": 1, "maxAttempts": 5}
"""For clients some of whose calls hang; the others have several attempts to be in time."""


@dataclass
class Cloud:
    """One project."""

    tls: Certificates
    accounts: Accounts
    tokens: TokenServer
    kms: KmsServer
    front: Front
    account: Account

    def as_nobody(self) -> Cloud:
        """The same project for an account without a permission."""
        return replace(self, account=self.accounts.make())

    def make_key(self, **settings: Any) -> str:
        """The name of a new key in the ring ``deks``."""
        name = f"kek-{token_hex(4)}"
        self.kms.keys[self.resource(name)] = Key(**settings)
        return name

    def key(self, name: str) -> Key:
        return self.kms.keys[self.resource(name)]

    @staticmethod
    def resource(name: str) -> str:
        return f"projects/{PROJECT}/locations/europe-west3/keyRings/deks/cryptoKeys/{name}"

    def make_bucket(self, **settings: object) -> str:
        """The name of a new bucket."""
        name = f"deks-{token_hex(6)}"
        self.front.make_bucket(name, **settings)
        return name

    def kek_parameters(self, name: str, **more: object) -> dict[str, object]:
        return {
            "projectID": PROJECT,
            "location": "europe-west3",
            "keyRing": "deks",
            "keyName": name,
            "credentialsPath": str(self.account.file),
            "endpoint": self.kms.endpoint,
            **PATIENT,
            **more,
        }

    def storage_parameters(self, bucket: str, **more: object) -> dict[str, object]:
        return {
            "projectID": PROJECT,
            "bucket": bucket,
            "credentialsPath": str(self.account.file),
            "endpoint": self.front.url,
            **PATIENT,
            **more,
        }

    def open_kek(self, name: str, **more: object) -> GcpKek:
        return GcpKek(GcpKekConfig.from_parameters(self.kek_parameters(name, **more)))

    def open_storage(self, bucket: str, **more: object) -> GcpStorage:
        return GcpStorage(GcpStorageConfig.from_parameters(self.storage_parameters(bucket, **more)))
