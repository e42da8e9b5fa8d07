"""One KEK and one storage of each cloud, on the servers of the providers' own tests."""

from __future__ import annotations

from typing import Any

import pytest

# Fixtures, here under names that tell the clouds apart.
from tests.aws.conftest import _no_aws_of_this_machine, moto  # noqa: F401 -- pytest finds them here
from tests.azure.conftest import (
    _no_azure_of_this_machine,  # noqa: F401 -- pytest finds it here
    certificates,  # noqa: F401 -- pytest finds it here
)
from tests.azure.conftest import servers as azure  # noqa: F401 -- pytest finds it here
from tests.fakes.azure.servers import install_servers
from tests.gcp.conftest import _no_cloud_of_this_machine, tls  # noqa: F401 -- pytest finds them here
from tests.gcp.conftest import servers as gcp  # noqa: F401 -- pytest finds it here


@pytest.fixture(scope="session", autouse=True)
def _azure_is_installed() -> None:
    """Before Google Cloud's fixture leads everything but the loopback interface nowhere."""
    install_servers()


CLOUDS = ("aws", "azure", "gcp")


@pytest.fixture(params=CLOUDS)
def kek(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the config says of a new KEK in each cloud."""
    return make_kek(request, request.param)


def make_kek(request: pytest.FixtureRequest, name: str) -> dict[str, Any]:
    """What the config says of a new KEK in this cloud."""
    if name == "aws":
        aws = request.getfixturevalue("moto")
        return {"backend": "aws", "keyName": aws.make_key(), **aws.parameters}
    cloud = request.getfixturevalue(name)
    if name == "azure":
        key = cloud.vaults["vault.azure.net"].make_key("RSA")
        parameters: dict[str, Any] = cloud.kek_parameters(key)
        return parameters
    return {"backend": "gcp", **cloud.kek_parameters(cloud.make_key())}


@pytest.fixture(params=CLOUDS)
def storage(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the config says of a new storage in each cloud."""
    if request.param == "aws":
        aws = request.getfixturevalue("moto")
        return {"backend": "aws", "bucket": aws.make_bucket(), **aws.parameters}
    cloud = request.getfixturevalue(request.param)
    if request.param == "azure":
        parameters: dict[str, Any] = cloud.storage_parameters(cloud.make_container())
        return parameters
    return {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket())}
