"""What ``kms://gcp`` and ``storage://gcp`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from kms_core.backend import BackendConfig, ConfigPath, Endpoint, RecordPrefix, Seconds


def _tls_host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.path not in {"", "/"}:
        raise ValueError("is not https://HOST or https://HOST:PORT")
    return url


_NAME = r"^[A-Za-z0-9_-]{1,63}$"
KmsName = Annotated[str, Field(pattern=_NAME)]


class GcpConfig(BackendConfig):
    """The project, Google credentials, and how long to wait.

    Attributes:
        project_id: the project's id, not its number.
        credentials_path: a service account file. Without it, application default credentials.
        timeout: seconds to wait for each answer.
        deadline: seconds after which the SDK tries a call no more.
    """

    project_id: Annotated[str, Field(alias="projectID", pattern=r"^[a-z0-9][a-z0-9.:-]*$")]
    credentials_path: ConfigPath | None = None
    timeout: Seconds = 10
    deadline: Seconds = 30


class GcpKekConfig(GcpConfig):
    """A symmetric KEK (``ENCRYPT_DECRYPT``) of Cloud KMS, of any protection level.

    Attributes:
        location: a region, a multi-region or ``global``.
        key_ring: the key ring's name.
        key_name: the key's name in the ring.
        key_version: the version that wraps; the key's primary version if it is not given.
        endpoint: ``https://HOST`` or ``https://HOST:PORT`` in place of the public service.
    """

    location: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    key_ring: KmsName
    key_name: KmsName
    key_version: (
        Annotated[str, Field(pattern=r"^[1-9][0-9]*$", coerce_numbers_to_str=True)] | None
    ) = None
    endpoint: Annotated[Endpoint, AfterValidator(_tls_host)] | None = None

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

    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")]
    prefix: RecordPrefix = ""
    endpoint: Endpoint | None = None
    create_bucket: bool = False
    project_number: (
        Annotated[str, Field(pattern=r"^[0-9]+$", coerce_numbers_to_str=True)] | None
    ) = None

    @model_validator(mode="after")
    def _check_create_bucket(self) -> Self:
        if self.create_bucket and self.project_number is None:
            raise ValueError(
                "createBucket needs projectNumber, to tell the project's own bucket from "
                "another's; `gcloud projects describe PROJECT` shows it"
            )
        return self
