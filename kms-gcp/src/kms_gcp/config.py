"""What ``kms://gcp`` and ``storage://gcp`` take. Nothing of the SDK is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from msgspec import Meta, field

from kms_core.backend import AnyEndpoint, Endpoint, RecordPrefix, ServiceConfig


class AnyHost(AnyEndpoint):
    """An endpoint without a path, which the SDK would not put before its own."""

    __slots__ = ()

    def __new__(cls, url: str) -> Self:
        host = super().__new__(cls, url)
        if urlsplit(host).path:
            raise ValueError("is not https://HOST or https://HOST:PORT, without a path")
        return host


class Host(AnyHost, Endpoint):
    """Such an endpoint by https, or by plain http to this machine."""

    __slots__ = ()


ProjectId = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.:-]*\Z",
        description="is no project's id: lower-case letters, digits and '-'; `gcloud projects "
        "list` shows it beside the project's name",
    ),
]
DomainName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+\Z",
        description="is no domain, such as googleapis.com",
    ),
]
KmsName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_-]{1,63}\Z",
        description="is no name of Cloud KMS: letters, digits, '_' and '-'; give the parts of a "
        "resource name as projectID, location, keyRing and keyName",
    ),
]


class GcpConfig(ServiceConfig):
    """The project, Google credentials, and where the service is.

    Attributes:
        project_id: the project's id, not its number.
        credentials_path: a file of Google credentials. Without it, application default credentials.
        anonymous: no credentials, for an emulator.
        quota_project: the project that is billed, and whose quota counts, if not the credentials'.
        universe_domain: what the names of the services end in; a sovereign cloud has its own.
        endpoint: in place of the public service.
    """

    project_id: ProjectId = field(name="projectID")
    credentials_path: Path | None = None
    anonymous: bool = False
    quota_project: ProjectId | None = None
    universe_domain: DomainName = "googleapis.com"
    endpoint: AnyHost | None = None

    @property
    def credentials(self) -> str:
        """Where they come from, as the page about Google Cloud says it."""
        if self.anonymous:
            return "none, since anonymous=true"
        if self.credentials_path is not None:
            return f"credentialsPath {self.credentials_path}"
        return "application default credentials"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anonymous and not (self.endpoint and (self.endpoint.is_local or self._is_near)):
            raise ValueError("anonymous=true is for an emulator on this machine; give its endpoint")
        if self.anonymous and (self.credentials_path or self.quota_project):
            raise ValueError("anonymous=true takes no credentialsPath and no quotaProject")

    @property
    def _is_near(self) -> bool:
        """Whether the endpoint is in a network of the user's, as a container by its name is."""
        return False


class GcpKekConfig(GcpConfig):
    """A symmetric KEK (``ENCRYPT_DECRYPT``) of Cloud KMS, of any protection level.

    Attributes:
        location: a region, a multi-region or ``global``.
        key_ring: the key ring's name.
        key_name: the key's name in the ring.
        key_version: the version that wraps; the key's primary version if it is not given.
    """

    endpoint: Host | None = None  # DEKs go to it in the clear, so never by plain http
    location: Annotated[
        str,
        Meta(
            pattern=r"^(?!.*\d-[a-z]\Z)[a-z0-9-]+\Z",
            description="is no location of Cloud KMS, such as europe-west3, europe or global; of a "
            "zone such as europe-west3-a give the region alone",
        ),
    ]
    key_ring: KmsName
    key_name: KmsName
    key_version: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_plain and not self.anonymous:
            raise ValueError(
                "endpoint is plain http, over which no token is sent; use https, or set "
                "anonymous=true for an emulator"
            )

    @property
    def is_plain(self) -> bool:
        """Whether the calls are not encrypted, which is for this machine only."""
        return self.endpoint is not None and urlsplit(self.endpoint).scheme == "http"

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
        create_bucket: create the bucket when the storage is opened and it is missing.
        location: where it is created; where Cloud Storage does by default if it is not given.
        allow_http: let ``endpoint`` be plain http to another machine; an emulator's, without token.
        project_number: the project's number; with ``createBucket``, the bucket must be its own.
    """

    bucket: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]\Z",
            description="is no bucket's name: lower-case letters, digits, '-', '_' and '.'; leave "
            "out gs://, and give a folder as prefix",
        ),
    ]
    prefix: RecordPrefix | None = None
    allow_http: bool = False
    create_bucket: bool = False
    location: (
        Annotated[
            str,
            Meta(pattern=r"^[A-Za-z0-9-]+\Z", description="is no location, such as EU"),
        ]
        | None
    ) = None
    project_number: Annotated[int, Meta(ge=0)] | None = None

    @property
    def _is_near(self) -> bool:
        return self.allow_http and self.endpoint is not None and self.endpoint.is_plain

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.endpoint and self.endpoint.is_plain and not (self.anonymous and self.allow_http):
            raise ValueError(
                "endpoint is plain http to another machine; use https, or allowHttp=true and "
                "anonymous=true for an emulator in a network of yours"
            )
        if self.create_bucket and self.project_number is None:
            raise ValueError(
                "createBucket needs projectNumber, to tell the project's own bucket from "
                "another's; `gcloud projects describe PROJECT` shows it"
            )
