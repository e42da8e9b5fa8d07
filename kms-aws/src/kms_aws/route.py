"""Which way the SDK's calls go: to which host, through which proxy, trusting whom."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from kms_aws.client import find_authorities, muted, open_client, open_session
from kms_aws.config import AwsConfig, AwsKekConfig, AwsStorageConfig
from kms_aws.errors import CALL
from kms_core.backend import BackendConfig, Route, translate_errors


def find_kms_route(config: BackendConfig) -> Route:
    """The way of a call of KMS."""
    kek = cast("AwsKekConfig", config)
    return _find_route("kms", kek, "describe_key", KeyId=kek.key_name)


def find_s3_route(config: BackendConfig) -> Route:
    """The way of a call of S3, whose host may have the bucket's name."""
    store = cast("AwsStorageConfig", config)
    return _find_route("s3", store, "get_object", Bucket=store.bucket, Key="key")


def _find_route(service: str, config: AwsConfig, call: str, **arguments: Any) -> Route:
    """As a client of the SDK signs the call, by its settings for FIPS and dual stack too."""
    with muted(), translate_errors(CALL, "finding the way", config.endpoint or config.region):
        session = open_session(config)
        session.set_credentials("nobody", "nothing")  # or it would look for some
        client = open_client(service, session, config)
        signed = urlsplit(client.generate_presigned_url(call, Params=arguments))
        trusted = find_authorities(config, session)
        client.close()
    url = f"{signed.scheme}://{signed.netloc}"
    proxy = None if signed.scheme == "http" else get_environ_proxies(url).get("https")
    return Route(url, proxy, trusted)
