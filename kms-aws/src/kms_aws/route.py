"""Which way the SDK's calls go: to which host, through which proxy, trusting whom."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import cast

from botocore.httpsession import get_cert_path
from botocore.loaders import create_loader
from botocore.utils import get_environ_proxies

from kms_aws.config import AwsConfig
from kms_core.backend import BackendConfig, Route

_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""In the SDK's order; https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html"""


def _find_route(service: str, config: BackendConfig) -> Route:
    place = cast("AwsConfig", config)
    url = place.endpoint or f"https://{service}.{place.region}.{_domain(place.region)}"
    of_environment = next(filter(None, map(os.environ.get, _BUNDLES)), None)
    trusted = str(place.ca_file or of_environment or get_cert_path(verify=True))
    proxy = None if url.startswith("http:") else get_environ_proxies(url).get("https")
    return Route(url, proxy, trusted)


def _domain(region: str) -> str:
    """https://docs.aws.amazon.com/general/latest/gr/rande.html."""
    partitions = create_loader().load_data("partitions")["partitions"]
    ours = (one for one in partitions if re.fullmatch(one["regionRegex"], region))
    return str(next(ours, partitions[0])["outputs"]["dnsSuffix"])


find_kms_route, find_s3_route = (partial(_find_route, name) for name in ("kms", "s3"))
