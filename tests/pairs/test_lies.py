"""Over a wire that lies, cuts, repeats and loses answers, no DEK that was returned is lost.

The short form has a few hundred faults, and `nox -s torture` 100,000. AWS KMS and Cloud KMS never
give the answer to another Decrypt here: nothing in it says to which it belongs, so TLS alone tells
them apart.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random
from typing import Any

import pytest

import kms_core
from tests.aws.cloud import Cloud as Aws
from tests.aws.cloud import start_proxy as start_aws
from tests.azure.cloud import Cloud as Azure
from tests.fakes.azure.faults import start_proxy as start_azure
from tests.fakes.certificates import Certificates
from tests.fakes.gcp.kms_liar import HONEST, choose_grpc
from tests.fakes.liar import Liar
from tests.gcp.cloud import Cloud as Gcp

Pair = tuple[dict[str, Any], dict[str, Any]]
"""What the config says of a KEK and of a storage."""

VAULT = "vault.azure.net"
QUICK: dict[str, Any] = {"connectTimeout": 5, "readTimeout": 5, "maxAttempts": 1}
"""Where answers are cut, and the next call comes soon."""


@contextmanager
def lie_to_aws(request: pytest.FixtureRequest, liar: Liar) -> Iterator[tuple[Pair, Pair]]:
    cloud: Aws = request.getfixturevalue("moto")
    key, bucket = cloud.make_key(), cloud.make_bucket()

    def pair(cloud: Aws) -> Pair:
        shared = {"backend": "aws", **cloud.parameters}
        return shared | {"keyName": key}, shared | {"bucket": bucket}

    with start_aws(cloud) as proxy:
        proxy.choose = liar.choose_http
        yield pair(proxy.cloud), pair(cloud)


@contextmanager
def lie_to_azure(request: pytest.FixtureRequest, liar: Liar) -> Iterator[tuple[Pair, Pair]]:
    cloud: Azure = request.getfixturevalue("azure")
    certificates: Certificates = request.getfixturevalue("certificates")
    key, container = cloud.vaults[VAULT].make_key("RSA"), cloud.make_container()

    def pair(cloud: Azure) -> Pair:
        return cloud.kek_parameters(key), cloud.storage_parameters(container)

    with ExitStack() as stack:
        liars = {}
        for name, url in (
            (VAULT, cloud.vaults[VAULT].url),
            ("azurite", cloud.endpoints["azurite"]),
        ):
            proxy = stack.enter_context(start_azure(url, certificates))
            proxy.choose, liars[name] = liar.choose_http, proxy.url
        yield pair(cloud.reached_at(liars)), pair(cloud)


@contextmanager
def lie_to_gcp(request: pytest.FixtureRequest, liar: Liar) -> Iterator[tuple[Pair, Pair]]:
    cloud: Gcp = request.getfixturevalue("gcp")
    kek = {"backend": "gcp", **cloud.kek_parameters(cloud.make_key())}
    storage = {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket())}
    cloud.front.choose, cloud.kms.choose = liar.choose_http, partial(choose_grpc, liar)
    try:
        yield (kek, storage), (kek, storage)
    finally:
        cloud.front.choose = cloud.kms.choose = lambda _: None


CLOUDS = {"aws": lie_to_aws, "azure": lie_to_azure, "gcp": lie_to_gcp}
HONESTLY = {"aws": frozenset({"Decrypt"}), "azure": frozenset({"challenge"}), "gcp": HONEST}


@pytest.mark.timeout(7 * 24 * 3600)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_dek_that_was_returned_is_read_back(
    cloud: str, request: pytest.FixtureRequest
) -> None:
    faults, seed = (request.config.getoption(name) for name in ("--faults", "--seed"))
    seed = secrets.randbits(32) if seed is None else seed
    print(f"--seed {seed}")  # noqa: T201 -- for who looks at a failure
    liar = Liar(seed, HONESTLY[cloud])
    with CLOUDS[cloud](request, liar) as (spoiled, clean):
        kek, storage = spoiled
        returned = ask((kek | QUICK, storage | QUICK), liar, Random(seed), faults)
        liar.stopped = True
        assert len(returned) > faults / 50, liar.told
        with kms_core.open_kms(*clean) as kms:
            assert {dek_id: kms.get_dek(dek_id) for dek_id in returned} == returned
        print(len(returned), "DEKs,", liar.told)  # noqa: T201 -- likewise


def ask(pair: Pair, liar: Liar, random: Random, faults: int) -> dict[str, bytes]:
    """Ask two clients in turn for old DEKs and new ones; return what they returned."""
    returned: dict[str, bytes] = {}
    with kms_core.open_kms(*pair) as one, kms_core.open_kms(*pair) as two:
        while liar.told.total() < faults:
            dek_id = f"id-{random.randrange(2 * len(returned) + 3)}"
            try:
                dek = random.choice((one, two)).get_dek(dek_id, create=True)
            except kms_core.KmsError:
                continue
            assert returned.setdefault(dek_id, dek) == dek
    assert len({*returned.values()}) == len(returned)
    return returned
