"""A mistake of a provider is told as one, in each of the three steps around a call of a service.

It is no outage, and nobody is told to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.credentials
import pytest
from azure.identity import ClientSecretCredential
from azure.keyvault.keys import KeyClient
from azure.storage.blob import BlobClient
from botocore.client import BaseClient
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.storage import Blob

import kms_core
from kms_core.builtin.local.key_file import new_key_file

_mistake: list[Exception] = []


def oops(*_: object, **__: object) -> Any:
    raise _mistake[-1]


@pytest.fixture(params=[AttributeError, KeyError, TypeError, ValueError], autouse=True)
def _a_mistake(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a mistake may raise: ``None.oops`` is the first."""
    _mistake.append(request.param("oops"))
    yield
    _mistake.clear()


class Reply(Mapping[str, Any]):
    """A reply that a mistake reads wrongly."""

    __getitem__ = __iter__ = __len__ = oops
    get = oops


def reply(*_: object, **__: object) -> Reply:
    return Reply()


Step = tuple[Any, str, Callable[..., Any]]
_AWS_CREDENTIALS: Step = (botocore.credentials.Credentials, "get_frozen_credentials", oops)
_AZURE_CREDENTIALS: Step = (ClientSecretCredential, "get_token_info", oops)
# The SDK's own refresh raises such errors of an odd answer, so the mistake is beside that call.
_GCP_CREDENTIALS: Step = ("kms_gcp.credentials.Token.ensure", "", oops)
KEK_STEPS: dict[tuple[str, str], Step] = {
    ("aws", "credentials"): _AWS_CREDENTIALS,
    ("aws", "call"): (BaseClient, "_make_api_call", oops),
    ("aws", "reply"): (BaseClient, "_make_api_call", reply),
    ("azure", "credentials"): _AZURE_CREDENTIALS,
    ("azure", "call"): (KeyClient, "send_request", oops),
    ("azure", "reply"): ("kms_azure.kek.parse_json", "", reply),
    ("gcp", "credentials"): _GCP_CREDENTIALS,
    ("gcp", "call"): (KeyManagementServiceClient, "encrypt", oops),
    ("gcp", "reply"): ("kms_gcp.kek._check", "", oops),
}
STORAGE_STEPS: dict[tuple[str, str], Step] = {
    ("aws", "credentials"): _AWS_CREDENTIALS,
    ("aws", "call"): (BaseClient, "_make_api_call", oops),
    ("aws", "reply"): (BaseClient, "_make_api_call", reply),
    ("azure", "credentials"): _AZURE_CREDENTIALS,
    ("azure", "call"): (BlobClient, "download_blob", oops),
    ("azure", "reply"): ("kms_azure.storage.read_part", "", oops),
    ("gcp", "credentials"): _GCP_CREDENTIALS,
    ("gcp", "call"): (Blob, "download_to_file", oops),
    ("gcp", "reply"): ("kms_gcp.storage._generation", "", oops),
}


def make_the_mistake(patch: pytest.MonkeyPatch, step: Step) -> None:
    target, name, replacement = step
    if isinstance(target, str):
        patch.setattr(target, replacement)
    else:
        patch.setattr(target, name, replacement)


def refused(kek: Any, storage: Any, cloud: str, backend: str) -> None:
    with (
        pytest.raises(kms_core.BackendContractError, match=f"kms-{cloud} ") as caught,
        kms_core.open_kms(kek, storage) as kms,
    ):
        kms.get_dek("id", create=True)
    assert not caught.value.retryable
    assert backend in str(caught.value)


@pytest.mark.parametrize("step", ["credentials", "call", "reply"])
def test_a_mistake_of_a_kek(
    kek: dict[str, Any], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = kek["backend"]
    make_the_mistake(monkeypatch, KEK_STEPS[cloud, step])
    refused(kek, f"storage://file?path={tmp_path}/deks&createFolder=true", cloud, f"kms://{cloud}")


@pytest.mark.parametrize("step", ["credentials", "call", "reply"])
def test_a_mistake_of_a_storage(
    storage: dict[str, Any], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud, key_file = storage["backend"], tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    local = f"kms://local?keyFile={key_file}"
    with kms_core.open_kms(local, storage) as kms:
        kms.get_dek("id", create=True)
    make_the_mistake(monkeypatch, STORAGE_STEPS[cloud, step])
    refused(local, storage, cloud, f"storage://{cloud}")
