"""A mistake in this plugin is told as one, in each of the three steps around a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import botocore.credentials
import pytest
from botocore.client import BaseClient

import kms_core
from kms_aws import client as client_module
from tests.aws.cloud import Cloud


def oops(*_: object, **__: object) -> Any:
    nothing: Any = None
    return nothing.oops


class Reply(Mapping[str, Any]):
    """A reply that a mistake of ours reads wrongly."""

    __getitem__ = __iter__ = __len__ = oops


STEPS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "credentials": (botocore.credentials.Credentials, "get_frozen_credentials", oops),
    "call": (BaseClient, "_make_api_call", oops),
    "reply": (BaseClient, "_make_api_call", lambda *_, **__: Reply()),
}


def opened(moto: Cloud, tmp_path: object, kind: str) -> kms_core.Kms:
    if kind == "kek":
        kek = {"backend": "aws", **moto.parameters, "keyName": moto.make_key()}
        return kms_core.open_kms(kek, f"storage://file?path={tmp_path}/deks")
    bucket = moto.make_bucket()
    return kms_core.open_kms(
        {"backend": "aws", **moto.parameters, "keyName": moto.make_key()},
        {"backend": "aws", **moto.parameters, "bucket": bucket},
    )


@pytest.mark.parametrize("kind", ["kek", "storage"])
@pytest.mark.parametrize("step", STEPS)
def test_a_mistake_is_no_outage(
    moto: Cloud, tmp_path: object, monkeypatch: pytest.MonkeyPatch, step: str, kind: str
) -> None:
    with opened(moto, tmp_path, kind) as kms:
        monkeypatch.setattr(*STEPS[step])
        with pytest.raises(kms_core.BackendContractError, match="kms-aws") as caught:
            kms.get_dek("id")
    assert not caught.value.retryable
    assert caught.value.backend == ("kms://aws" if kind == "kek" else "storage://aws")


def test_opening_clients_does_not_grow_the_models(moto: Cloud) -> None:
    moto.open_kek("alias/one").close()
    before = [*client_module._models.search_paths]
    for _ in range(3):
        moto.open_kek("alias/one").close()
    assert client_module._models.search_paths == before
