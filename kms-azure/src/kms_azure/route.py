"""Which way the SDK's calls go: to which host, through which proxy, trusting whom."""

from __future__ import annotations

from requests import Session
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy

from kms_azure.config import AzureKekConfig, AzureStorageConfig
from kms_core.backend import BackendConfig, Route


def find_route(config: BackendConfig) -> Route:
    """The way of requests, which the SDK calls through."""
    url = ""
    if isinstance(config, AzureKekConfig):
        url = config.endpoint or config.vault_url
    elif isinstance(config, AzureStorageConfig):
        url = config.account_url
    found = Session().merge_environment_settings(url, {}, None, None, None)
    trusted = found["verify"] if isinstance(found["verify"], str) else DEFAULT_CA_BUNDLE_PATH
    return Route(url, select_proxy(url, found["proxies"]), trusted)
