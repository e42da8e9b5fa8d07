"""How ``storage://aws`` finds out that a store keeps the conditions on which DEKs depend."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kms_aws.storage import AwsStorage
from kms_core import ConfigError, DekNotFoundError, ThrottledError
from tests.aws.cloud import Cloud, FaultProxy, start_proxy
from tests.aws.faults import PATIENT
from tests.fakes.aws.faults import s3_error
from tests.fakes.proxy import Exchange

PROBE = "kms-core.conditional-write-probe-"


@pytest.fixture
def proxy(moto: Cloud) -> Iterator[FaultProxy]:
    with start_proxy(moto) as proxy:
        yield proxy


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client takes the same of all places."""
    monkeypatch.setattr("kms_aws.probe.randbelow", lambda _: 7)


@pytest.mark.usefixtures("one_place")
def test_cost(moto: Cloud, proxy: FaultProxy) -> None:
    bucket = moto.make_bucket()
    moto.open_storage(bucket).create_record("first", b"data")
    storage = proxy.cloud.open_storage(bucket)
    revisions = [storage.create_record(f"id-{n}", b"data") for n in range(3)]
    assert proxy.seen == ["PUT"] * (1 + 3)
    proxy.seen.clear()
    storage.replace_record("id-0", b"more", revisions[0])
    storage.replace_record("id-1", b"more", revisions[1])
    assert proxy.seen == ["PUT"] * (1 + 2)


def test_reading_needs_no_probe(moto: Cloud, proxy: FaultProxy) -> None:
    bucket = moto.make_bucket()
    moto.open_storage(bucket).create_record("id", b"data")
    proxy.cloud.open_storage(bucket).load_record("id")
    assert proxy.seen == ["GET"]


def test_replace_where_the_probe_is_gone(cloud: Cloud) -> None:
    """S3 may say 403 of a missing object, so the probe is never asked for before it is there."""
    bucket, s3 = cloud.make_bucket(), cloud.admin("s3")
    revision = cloud.open_storage(bucket).create_record("id", b"data")
    for found in s3.list_objects_v2(Bucket=bucket, Prefix=PROBE)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    cloud.open_storage(bucket).replace_record("id", b"more", revision)
    assert cloud.open_storage(bucket).load_record("id").data == b"more"


def test_a_fleet_shares_no_object(moto: Cloud, proxy: FaultProxy) -> None:
    """A store that takes a few writes of one object only; found on a store of one a second."""
    written: dict[str, int] = {}

    def take_few(exchange: Exchange) -> None:
        written[exchange.path] = written.get(exchange.path, 0) + 1
        (s3_error("SlowDown", 503) if written[exchange.path] > 8 else forward)(exchange)

    def forward(exchange: Exchange) -> None:
        exchange.answer(exchange.forward())

    bucket = moto.make_bucket()
    proxy.spoil("PUT", take_few)
    for n in range(40):
        proxy.cloud.open_storage(bucket, **PATIENT).create_record(f"id-{n}", b"data")


@pytest.mark.usefixtures("one_place")
def test_a_store_that_is_too_busy_for_the_probe(moto: Cloud, proxy: FaultProxy) -> None:
    storage = proxy.cloud.open_storage(moto.make_bucket(), **PATIENT)
    proxy.spoil("PUT", s3_error("SlowDown", 503), times=2)
    with pytest.raises(ThrottledError):
        storage.create_record("id", b"data")
    storage.create_record("id", b"data")
    assert storage.load_record("id").data == b"data"


@pytest.fixture
def ignoring(rclone: Cloud) -> Callable[..., AwsStorage]:
    bucket = rclone.make_bucket()
    return lambda **more: rclone.open_storage(bucket, **more)


def test_store_that_ignores_conditions(ignoring: Callable[..., AwsStorage]) -> None:
    storage = ignoring()
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"ignores If-None-Match.*allowUnconditionalCreate"):
            storage.create_record("id", b"data")
    with pytest.raises(DekNotFoundError):
        storage.load_record("id")
    reckless = ignoring(allowUnconditionalCreate=True)
    revision = reckless.create_record("id", b"data")
    with pytest.raises(ConfigError, match="ignores If-None-Match"):
        storage.replace_record("id", b"more", revision)
    assert storage.load_record("id").data == b"data"
    reckless.replace_record("id", b"more", revision)
    assert storage.load_record("id").data == b"more"


def test_store_that_ignores_if_match_alone(moto: Cloud, proxy: FaultProxy) -> None:
    def ignore(exchange: Exchange) -> None:
        del exchange.headers["If-Match"]
        exchange.answer(exchange.forward())

    storage = proxy.cloud.open_storage(moto.make_bucket())
    revision = storage.create_record("id", b"data")
    proxy.spoil("PUT", ignore)
    with pytest.raises(ConfigError, match="ignores If-Match"):
        storage.replace_record("id", b"more", revision)
    assert storage.load_record("id").data == b"data"
