"""Which way the SDK's calls go: to which host, through which proxy, trusting whom."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import grpc
from requests import Session
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy, should_bypass_proxies

from kms_core.backend import BackendConfig, Route
from kms_gcp.config import GcpConfig
from kms_gcp.errors import PROXIES

_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")
_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_BUILT_IN = Path(grpc.__file__).parent / "_cython" / "_credentials" / "roots.pem"


def find_kms_route(config: BackendConfig) -> Route:
    """The way of gRPC.

    https://github.com/grpc/grpc/blob/master/doc/environment_variables.md
    """
    place = cast("GcpConfig", config)
    url = place.endpoint or f"https://cloudkms.{place.universe_domain}"
    exceptions = _first(_EXCEPTIONS) or ""
    proxy = _first(PROXIES) or ""
    is_direct = url.startswith("http:") or should_bypass_proxies(url, no_proxy=exceptions)
    is_passed = not is_direct and urlsplit(proxy).scheme == "http"  # gRPC ignores all others
    trusted = os.environ.get(_ROOTS) or str(_BUILT_IN)
    return Route(url, proxy if is_passed else None, trusted)


def find_storage_route(config: BackendConfig) -> Route:
    """The way of requests, which Cloud Storage is called through."""
    place = cast("GcpConfig", config)
    url = place.endpoint or f"https://storage.{place.universe_domain}"
    found = Session().merge_environment_settings(url, {}, None, None, None)
    trusted = found["verify"] if isinstance(found["verify"], str) else DEFAULT_CA_BUNDLE_PATH
    proxy = None if url.startswith("http:") else select_proxy(url, found["proxies"])
    return Route(url, proxy, trusted)


def _first(names: Iterable[str]) -> str | None:
    return next(filter(None, map(os.environ.get, names)), None)
