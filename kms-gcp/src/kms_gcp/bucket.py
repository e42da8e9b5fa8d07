"""Opens Cloud Storage, and makes the bucket if that is wanted."""

from __future__ import annotations

from functools import partial
from typing import Any

from google.api_core import exceptions as sdk
from google.cloud.storage import Bucket, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from kms_core import ConfigError, ConflictError
from kms_core.backend import translate_errors
from kms_gcp.client import Credentials, GcpClient, limit_attempts, muted
from kms_gcp.config import GcpStorageConfig
from kms_gcp.errors import STORAGE

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def call_arguments(config: GcpStorageConfig) -> dict[str, Any]:
    """The arguments of one call of Cloud Storage.

    They have the SDK's own retry, on purpose: every call here is a read, or carries a condition.
    """
    is_transient = DEFAULT_RETRY._predicate  # noqa: SLF001 -- the SDK has no other name for it
    retry = (
        DEFAULT_RETRY.with_predicate(limit_attempts(is_transient, config.max_attempts))
        .with_timeout(config.deadline)
        .with_delay(0.2, 5.0, 2.0)
    )
    return {"retry": retry, "timeout": (config.connect_timeout, config.read_timeout)}


def open_storage(config: GcpStorageConfig) -> GcpClient[Client]:
    """Clients that go where the config says, whatever the environment says."""
    return GcpClient(partial(_open, config), Client.close, config, _SCOPE)


def _open(config: GcpStorageConfig, credentials: Credentials) -> Client:
    universe = credentials.universe_domain
    endpoint = config.endpoint or f"https://storage.{universe}"
    with muted(), translate_errors(STORAGE, "a client of Cloud Storage", config.bucket):
        client = Client(
            project=config.project_id,
            credentials=credentials,
            client_options={"api_endpoint": endpoint, "universe_domain": universe},
        )
    if config.endpoint is not None:
        # GOOGLE_API_USE_MTLS_ENDPOINT=always would lead to the public service.
        client._connection.API_BASE_MTLS_URL = endpoint  # noqa: SLF001 -- there is no option for it
    # It asks for the bucket in a thread, for traces, with a permission that no record needs.
    client._bucket_metadata_cache = None  # noqa: SLF001 -- likewise
    session = client._http  # noqa: SLF001 -- likewise
    session.auth = lambda request: request  # or ~/.netrc replaces the token
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=config.max_connections))
    session.trust_env = not endpoint.startswith("http:")  # no proxy for this machine
    return client


def check_bucket(client: Client, config: GcpStorageConfig) -> None:
    """Create the bucket if it is missing.

    Raises:
        ConfigError: the bucket is another project's.
    """
    look_up = partial(_look_up, client, config)
    bucket = look_up()
    if bucket is None:
        try:
            with muted(), translate_errors(STORAGE, "storage.buckets.create", config.bucket):
                bucket = client.create_bucket(
                    config.bucket, project=config.project_id, **call_arguments(config)
                )
        except ConflictError:  # somebody else has just created it, or we have, twice
            bucket = look_up()
    if bucket is None or int(bucket.project_number) != config.project_number:
        raise ConfigError(
            f"bucket {config.bucket!r} is another project's; choose another name, "
            "or correct projectNumber"
        )


def _look_up(client: Client, config: GcpStorageConfig) -> Bucket | None:
    with muted(), translate_errors(STORAGE, "storage.buckets.get", config.bucket):
        try:
            return client.get_bucket(config.bucket, **call_arguments(config))
        except sdk.NotFound:
            return None
