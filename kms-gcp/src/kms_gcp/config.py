"""What ``kms://gcp`` and ``storage://gcp`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from msgspec import Meta, field

from kms_core.backend import Endpoint, RecordPrefix, ServiceConfig


class Host(Endpoint):
    """An endpoint without a path, which the SDK would not put before its own."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        host = super().__new__(cls, url)
        if urlsplit(host).path:
            raise ValueError("is not https://HOST or https://HOST:PORT, without a path")
        return host


class TlsHost(Host):
    """What gRPC connects to."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        host = super().__new__(cls, url)
        if urlsplit(host).scheme != "https":
            raise ValueError("is not https://HOST or https://HOST:PORT")
        return host


KmsName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,63}\Z")]


class GcpConfig(ServiceConfig):
    """The project, and Google credentials.

    Attributes:
        project_id: the project's id, not its number.
        credentials_path: a service account file. Without it, application default credentials.
    """

    project_id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.:-]*\Z")] = field(name="projectID")
    credentials_path: Path | None = None


class GcpKekConfig(GcpConfig):
    """A symmetric KEK (``ENCRYPT_DECRYPT``) of Cloud KMS, of any protection level.

    Attributes:
        location: a region, a multi-region or ``global``.
        key_ring: the key ring's name.
        key_name: the key's name in the ring.
        key_version: the version that wraps; the key's primary version if it is not given.
        endpoint: ``https://HOST`` or ``https://HOST:PORT`` in place of the public service.
    """

    location: Annotated[str, Meta(pattern=r"^[a-z0-9-]+\Z")]
    key_ring: KmsName
    key_name: KmsName
    key_version: Annotated[int, Meta(ge=1)] | None = None
    endpoint: TlsHost | None = None

    @property
    def resource_name(self) -> str:
        """The KEK's full name in Cloud KMS."""
        ring = f"projects/{self.project_id}/locations/{self.location}/keyRings/{self.key_ring}"
        return f"{ring}/cryptoKeys/{self.key_name}"


class GcpStorageConfig(GcpConfig):
    """A bucket of Cloud Storage.

    Attributes:
        bucket: the bucket's name.
        prefix: a folder for the records; none by default.
        endpoint: in place of the public service; plain http is for this machine only.
        create_bucket: create the bucket when the storage is opened and it is missing.
        project_number: the project's number; with ``createBucket``, the bucket must be its own.
    """

    bucket: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]\Z")]
    prefix: RecordPrefix | None = None
    endpoint: Host | None = None
    create_bucket: bool = False
    project_number: Annotated[int, Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.create_bucket and self.project_number is None:
            raise ValueError(
                "createBucket needs projectNumber, to tell the project's own bucket from "
                "another's; `gcloud projects describe PROJECT` shows it"
            )
