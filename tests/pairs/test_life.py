"""The lives of DEKs in each cloud: wrapped again, deleted, with lost answers and rivals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from kms_core import Kms
from kms_core._config.choices import ChosenBackend
from kms_core._plugins.prepared import prepare
from tests.aws.cloud import Cloud as Aws
from tests.aws.cloud import start_proxy
from tests.life.machine import Life, Lossy, Place
from tests.life.test_life import join, new_place
from tests.pairs.conftest import CLOUDS


def make(cloud: str, request: pytest.FixtureRequest) -> tuple[Any, Any, Any]:
    """What the config says of a new KEK and a new storage, and what rotates the KEK."""
    if cloud == "aws":
        aws = request.getfixturevalue("wired")
        key, shared = aws.make_key(), aws.parameters
        storage = {"bucket": aws.make_bucket()}
        return {"keyName": key} | shared, storage | shared, lambda: aws.rotate(key)
    if cloud == "azure":
        azure = request.getfixturevalue("azure")
        vault = azure.vaults["vault.azure.net"]
        key = vault.make_key("RSA")
        storage = azure.storage_parameters(azure.make_container())
        return azure.kek_parameters(key), storage, lambda: vault.rotate(key)
    gcp = request.getfixturevalue("gcp")
    key = gcp.make_key()
    storage = gcp.storage_parameters(gcp.make_bucket())
    return gcp.kek_parameters(key), storage, gcp.key(key).rotate


@pytest.fixture
def wired(moto: Aws) -> Iterator[Aws]:
    """Told of key material, as the live service does and moto does not."""
    with start_proxy(moto) as proxy:
        yield proxy.cloud


@pytest.mark.rest
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_dek_stays_readable(
    cloud: str, request: pytest.FixtureRequest, tmp_path: Path, *, long: bool
) -> None:
    def open_bare(scheme: str, parameters: dict[str, Any]) -> Any:
        others = {name: value for name, value in parameters.items() if name != "backend"}
        return prepare(ChosenBackend(scheme, cloud, others)).open_bare()

    class InTheCloud(Life):
        @staticmethod
        def new_place() -> Place:
            kek, storage, rotate = make(cloud, request)

            def open_both() -> tuple[Kms, Lossy]:
                return join(open_bare("kms", kek), f"kms://{cloud}", open_bare("storage", storage))

            return Place(open_both, rotate)

        @staticmethod
        def new_place_elsewhere() -> Place:
            return new_place(tmp_path)

    examples = settings(max_examples=200 if long else 2, stateful_step_count=20)
    run_state_machine_as_test(InTheCloud, settings=examples)
