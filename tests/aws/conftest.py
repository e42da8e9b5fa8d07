"""The servers, an environment that says nothing of AWS, and a record of every call."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kms_aws.kek import AwsKek
from kms_aws.storage import AwsStorage
from kms_core import Kms, open_kms
from tests.aws.cloud import REGION, Cloud, FaultProxy, start_proxy
from tests.aws.faults import PATIENT, SESSION_TOKEN
from tests.fakes.aws.recording import PROMISED, record_calls
from tests.fakes.aws.servers import (
    build_versitygw,
    start_ministack,
    start_moto,
    start_rclone,
    start_versitygw,
    start_versitygw_with_iam,
)
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.process import Server
from tests.fakes.proxy import Exchange, Proxy, run_proxy
from tests.fakes.tunnel import start_tunnel


@pytest.fixture(scope="session")
def moto() -> Iterator[Cloud]:
    """Right about crypto, context and conditions."""
    with start_moto() as server:
        yield from _as_aws_speaks(server)


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Right about key states, checksums and conditions."""
    with start_ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield from _as_aws_speaks(server)


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A store that ignores conditions."""
    with start_rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield from _as_aws_speaks(server)


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A store whose conditions on PUT are atomic, and which refuses wrong bytes."""
    _build_versitygw()
    with start_versitygw(tmp_path_factory.mktemp("versitygw"), REGION) as server:
        yield from _as_aws_speaks(server)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The same store with users, whose policies it enforces."""
    _build_versitygw()
    with (
        start_versitygw_with_iam(tmp_path_factory.mktemp("guarded"), REGION) as (store, iam),
        start_proxy(Cloud(store, iam=iam.url)) as proxy,
    ):
        yield proxy.cloud


@pytest.fixture(scope="session")
def enforced() -> Iterator[Cloud]:
    """The admin of a moto that checks signatures and policies once the admin has been made."""
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    with start_moto(calls_without_iam=3) as server:
        admin = Cloud(server).make_user({"Version": "2012-10-17", "Statement": [everything]})
        with start_proxy(admin) as proxy:
            yield proxy.cloud


@pytest.fixture(params=["moto", "ministack"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """Each of the two servers that have both KMS and S3."""
    server: Cloud = request.getfixturevalue(request.param)
    return server


def _build_versitygw() -> None:
    if shutil.which("go") is None:
        pytest.skip("go, which builds versitygw, is missing")
    build_versitygw()


def _as_aws_speaks(server: Server) -> Iterator[Cloud]:
    with start_proxy(Cloud(server)) as proxy:
        yield proxy.cloud


@pytest.fixture(autouse=True)
def _no_aws_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture(autouse=True)
def calls() -> Iterator[list[str]]:
    """Every call of the test; each must be one that we promise to be all."""
    with record_calls() as calls:
        yield calls
    assert set(calls) <= PROMISED


@pytest.fixture
def proxy(moto: Cloud) -> Iterator[FaultProxy]:
    with start_proxy(moto) as proxy:
        yield proxy


@pytest.fixture
def kek(proxy: FaultProxy) -> AwsKek:
    key = proxy.cloud.make_key()
    return proxy.cloud.open_kek(key, sessionToken=SESSION_TOKEN, **PATIENT)


@pytest.fixture
def storage(proxy: FaultProxy) -> AwsStorage:
    bucket = proxy.cloud.make_bucket()
    return proxy.cloud.open_storage(bucket, sessionToken=SESSION_TOKEN, **PATIENT)


@pytest.fixture
def store(storage: AwsStorage, proxy: FaultProxy) -> AwsStorage:
    """A storage whose probes are done."""
    storage.replace_record("old", b"data", storage.create_record("old", b"data"))
    proxy.seen.clear()
    return storage


@pytest.fixture
def limits() -> Mapping[str, float]:
    """How long ``kms`` waits."""
    return PATIENT


@pytest.fixture
def kms(proxy: FaultProxy, limits: Mapping[str, float]) -> Iterator[Kms]:
    more = {"backend": "aws", **proxy.cloud.parameters, **limits}
    kek = more | {"keyName": proxy.cloud.make_key()}
    storage = more | {"bucket": proxy.cloud.make_bucket()}
    with open_kms(kek, storage) as kms:
        yield kms


@pytest.fixture
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.getbasetemp() / "mistakes-of-aws"
    return make_certificates(folder, f"sts.{REGION}.amazonaws.com", "sts.amazonaws.com")


@pytest.fixture
def sts(tls: Proxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What answers for STS."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates.authority))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with start_tunnel(tls.url) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel)
        yield tls


@pytest.fixture
def tls(certificates: Certificates) -> Any:
    """A server whose certificate nobody here trusts."""
    tls = Proxy("https://127.0.0.1:9", certificates)
    with run_proxy(tls, Exchange):
        yield tls
