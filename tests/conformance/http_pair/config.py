"""What both backends take: where the service is, who asks, and how long to wait."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from kms_core.backend import Endpoint, SecretStr, ServiceConfig


class HttpConfig(ServiceConfig):
    """The service and the credentials.

    Attributes:
        endpoint: the service's URL.
        client_id: who asks for tokens.
        client_secret: the client's password.
    """

    endpoint: Endpoint
    client_id: str
    client_secret: SecretStr


class HttpKekConfig(HttpConfig):
    """The KEK, by its name in the service."""

    key_name: Annotated[str, Meta(pattern=r"\A[a-z0-9-]+\Z")]


class HttpStorageConfig(HttpConfig):
    """The folder of the records, by its name in the service."""

    folder: Annotated[str, Meta(pattern=r"\A[a-z0-9-]+\Z")]
