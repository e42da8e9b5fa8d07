"""Opens Cloud Storage, and makes the bucket if that is wanted."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from google.api_core import exceptions as sdk
from google.cloud.storage import Bucket, Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests import Response
from requests.exceptions import InvalidJSONError

from kms_core import ConfigError, ConflictError
from kms_core.backend import translate_errors
from kms_gcp.client import GcpClient, muted, retry_one_call
from kms_gcp.config import GcpStorageConfig
from kms_gcp.credentials import Token, tame
from kms_gcp.errors import BUCKET, STORAGE
from kms_gcp.route import find_storage_route

_LIST = "storage#objects"  # https://cloud.google.com/storage/docs/json_api/v1/objects/list
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def call_arguments(config: GcpStorageConfig) -> dict[str, Any]:
    """The arguments of one call of Cloud Storage.

    What the SDK itself tries again is tried again: every call here is a read, or has a condition.
    """
    is_transient = DEFAULT_RETRY._predicate  # noqa: SLF001 -- the SDK has no other name for it
    retry = retry_one_call(is_transient, config, initial=0.2, multiplier=2.0)
    return {"retry": retry, "timeout": (config.connect_timeout, config.read_timeout)}


def open_storage(config: GcpStorageConfig) -> GcpClient[Client]:
    """Clients that go where the config says, whatever the environment says."""
    return GcpClient(partial(Token, config, _SCOPE), partial(_open, config), Client.close)


def _open(config: GcpStorageConfig, token: Token) -> Client:
    universe = config.universe_domain
    endpoint = config.endpoint or f"https://storage.{universe}"
    with muted(), translate_errors(STORAGE, "a client of Cloud Storage", config.bucket):
        client = Client(
            project=config.project_id,
            credentials=token,
            client_options={"api_endpoint": endpoint, "universe_domain": universe},
        )
    # GOOGLE_API_USE_MTLS_ENDPOINT=always would lead elsewhere.
    client._connection.API_BASE_MTLS_URL = endpoint  # noqa: SLF001 -- there is no option for it
    # It asks for the bucket in a thread, for traces, with a permission that no record needs.
    client._bucket_metadata_cache = None  # noqa: SLF001 -- likewise
    session = tame(client._http, config)  # noqa: SLF001 -- likewise
    # As the environment says now, which would be looked through at each call.
    route = find_storage_route(config)
    session.trust_env, session.verify = False, route.ca_file
    if route.proxy:
        session.proxies["all"] = route.proxy
    session.hooks["response"].append(_require_object)
    return client


def _require_object(response: Response, **_: object) -> None:
    """Of a captive portal's page the SDK would ask for a key, and fail like a mistake of ours."""
    is_media = "alt=media" in urlsplit(response.url).query
    has_object = response.request.method != "DELETE" and not is_media
    if not (has_object and response.ok):
        return
    answer = response.json()
    if not isinstance(answer, dict):
        raise InvalidJSONError("the answer is no JSON object")
    # A list without items is empty, so what else a list has must be there.
    is_listing = response.request.method == "GET" and urlsplit(response.url).path.endswith("/o")
    if is_listing and answer.get("kind") != _LIST:
        raise InvalidJSONError("the answer is no list of objects")


def check_bucket(client: Client, config: GcpStorageConfig) -> None:
    """Create the bucket if it is missing.

    Raises:
        ConfigError: the bucket is another project's.
    """
    look_up = partial(_look_up, client, config)
    bucket = look_up()
    if bucket is None:
        try:
            with muted(), translate_errors(BUCKET, "storage.buckets.create", config.bucket):
                bucket = client.create_bucket(
                    _describe(client, config),
                    project=config.project_id,
                    location=config.location,
                    **call_arguments(config),
                )
        except ConflictError:  # somebody else has just created it, or we have, twice
            bucket = look_up()
    if bucket is None or int(bucket.project_number) != config.project_number:
        raise ConfigError(
            f"bucket {config.bucket!r} is another project's; choose another name, "
            "or correct projectNumber"
        )


def find_bucket(client: Client, config: GcpStorageConfig) -> Bucket:
    """The configured bucket, billed to whom the config says."""
    return client.bucket(config.bucket, user_project=config.quota_project)


def _describe(client: Client, config: GcpStorageConfig) -> Bucket:
    """Records need no permissions of their own, and an organization may demand this."""
    bucket = find_bucket(client, config)
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.iam_configuration.public_access_prevention = "enforced"
    return bucket


def _look_up(client: Client, config: GcpStorageConfig) -> Bucket | None:
    with muted(), translate_errors(BUCKET, "storage.buckets.get", config.bucket):
        try:
            return client.get_bucket(find_bucket(client, config), **call_arguments(config))
        except sdk.NotFound:
            return None
