"""An environment that says nothing of any cloud, and a proxy that leads to all of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.utils import ContainerMetadataFetcher

# pytest finds these fixtures here, which are in use by themselves.
from tests.aws.conftest import _no_aws_of_this_machine  # noqa: F401
from tests.azure.conftest import _no_azure_of_this_machine, certificates  # noqa: F401
from tests.gcp.conftest import _no_cloud_of_this_machine, tls  # noqa: F401
from tests.leaks.internet import Internet, start_internet
from tests.leaks.places_aws import limit_metadata
from tests.leaks.planted import Plants


@pytest.fixture
def plants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plants:
    plants = Plants(tmp_path)
    monkeypatch.setattr(secrets, "token_bytes", plants.random_bytes)
    return plants


@pytest.fixture
def internet(tmp_path: Path, plants: Plants, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """Behind a proxy that has a password. The SDKs do not wait before they ask again."""
    monkeypatch.setattr(ContainerMetadataFetcher, "SLEEP_TIME", 0)
    limit_metadata(monkeypatch, 60)
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    with start_internet(tmp_path) as internet:
        user = f"http://me:{plants.text('password of the proxy')}@"
        for name in ("HTTPS_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, internet.url.replace("http://", user))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
        yield internet
