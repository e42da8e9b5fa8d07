"""Parameters that real deployments need: what they make of a request, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import get_cert_path
from urllib3 import HTTPResponse

from kms_aws.client import open_session
from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_aws.storage import AwsStorage
from kms_core import ConfigError, KekNotFoundError, open_kms
from tests.aws.cloud import REGION, Cloud, FaultProxy, start_proxy
from tests.aws.faults import PATIENT
from tests.fakes.aws.servers import ACCESS_KEY, ACCESS_KEY_ID
from tests.fakes.certificates import Certificates, make_certificates
from tests.fakes.proxy import Exchange, Proxy
from tests.fakes.thread import HttpServer, run_thread

STATIC = {"region": REGION, "accessKeyID": ACCESS_KEY_ID, "accessKey": ACCESS_KEY}
POINT = f"arn:aws:s3:{REGION}:111122223333:accesspoint/deks"
CONTEXT = {"dek_id": "id", "size": "32"}


def sent(parameters: dict[str, Any]) -> list[AWSPreparedRequest]:
    """What a create sends, as the SDK has signed it, to a service that is not there."""
    requests: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        requests.append(request)
        headers = HTTPHeaders.from_dict({"ETag": '"8d777f385d3dfec8815d20f7496026dc"'})
        return AWSResponse(
            request.url, 200, headers, HTTPResponse(BytesIO(), preload_content=False)
        )

    storage = AwsStorage(AwsStorageConfig.from_parameters(STATIC | parameters))
    events: Any = storage._client.get().meta.events
    events.register("before-send.s3", answer)
    storage.create_record("id", b"data")
    return requests


@pytest.mark.parametrize(
    ("parameters", "url"),
    [
        ({"bucket": "deks"}, f"https://deks.s3.{REGION}.amazonaws.com/id.json"),
        ({"bucket": "my.deks"}, f"https://s3.{REGION}.amazonaws.com/my.deks/id.json"),
        (
            {"bucket": "deks", "addressing": "path"},
            f"https://s3.{REGION}.amazonaws.com/deks/id.json",
        ),
        (
            {"bucket": POINT},
            f"https://deks-111122223333.s3-accesspoint.{REGION}.amazonaws.com/id.json",
        ),
        (
            {"bucket": "deks", "region": "cn-north-1"},
            "https://deks.s3.cn-north-1.amazonaws.com.cn/id.json",
        ),
    ],
)
def test_addresses_of_aws(parameters: dict[str, str], url: str) -> None:
    """Amazon's own S3 keeps its conditions, so no probe goes before."""
    [request] = sent(parameters)
    assert request.url == url


@pytest.mark.parametrize(
    ("addressing", "url"),
    [
        ({}, "https://s3.example.com/deks/id.json"),
        ({"addressing": "virtual"}, "https://deks.s3.example.com/id.json"),
    ],
)
def test_addresses_of_an_endpoint(addressing: dict[str, str], url: str) -> None:
    endpoint = {"endpoint": "https://s3.example.com", "allowUnconditionalCreate": "true"}
    [request] = sent({"bucket": "deks", **endpoint, **addressing})
    assert request.url == url


def test_headers_that_policies_demand(proxy: FaultProxy, moto: Cloud) -> None:
    key, seen = moto.make_key(), list[dict[str, str]]()
    written = {
        "x-amz-acl": "bucket-owner-full-control",
        "x-amz-request-payer": "requester",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": key,
    }

    def note(exchange: Exchange) -> None:
        seen.append({name: exchange.headers[name] for name in written if name in exchange.headers})
        exchange.answer(exchange.forward())

    more = {"acl": "bucket-owner-full-control", "sse": "aws:kms", "sseKmsKeyId": key}
    storage = proxy.cloud.open_storage(moto.make_bucket(), requesterPays="true", **more)
    for call in ("GET", "PUT"):
        proxy.spoil(call, note)
    storage.create_record("id", b"data")
    storage.load_record("id")
    assert seen == [*[written] * (len(seen) - 1), {"x-amz-request-payer": "requester"}]
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"sse": "DES"}, "sse"),
        ({"sseKmsKeyId": "id"}, "sseKmsKeyId needs sse=aws:kms"),
        ({"sse": "AES256", "sseKmsKeyId": "id"}, "sseKmsKeyId needs sse=aws:kms"),
        ({"bucket": POINT, "region": "us-east-1"}, f"bucket is in region '{REGION}'"),
        ({"bucket": POINT, "createBucket": "true"}, "not of an access point"),
        ({"bucket": "arn:aws:s3-outposts:eu-central-1:111122223333:outpost/o"}, "bucket"),
        ({"endpoint": "http://minio:9000"}, "allowHttp=true"),
        ({"endpoint": "ftp://minio", "allowHttp": "true"}, "https://HOST"),
        ({"addressing": "dns"}, "addressing"),
    ],
)
def test_wrong_configs(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        AwsStorageConfig.from_parameters(STATIC | {"bucket": "deks"} | parameters)


def test_plain_http_in_a_network_of_ones_own() -> None:
    plain = {"endpoint": "http://minio:9000", "allowHttp": "true"}
    config = AwsStorageConfig.from_parameters(STATIC | plain | {"bucket": "deks"})
    assert config.endpoint == "http://minio:9000"
    with pytest.raises(ConfigError, match="unknown field `allowHttp`"):
        AwsKekConfig.from_parameters(STATIC | {"keyName": "alias/deks", "allowHttp": "true"})
    with pytest.raises(ConfigError, match="plain http to another machine"):
        AwsKekConfig.from_parameters(
            STATIC | {"endpoint": "http://kms:4566", "keyName": "alias/deks"}
        )


def test_region_of_a_private_store(moto: Cloud) -> None:
    bucket = moto.make_bucket()
    storage = moto.open_storage(bucket, region="RegionOne")
    storage.create_record("id", b"data")
    assert storage.load_record("id").data == b"data"


class TestAuthority:
    """TLS by an authority of one's own."""

    @pytest.fixture
    def certificates(self, tmp_path: Path) -> Certificates:
        return make_certificates(tmp_path / "certificates")

    @pytest.fixture
    def endpoint(self, moto: Cloud, certificates: Certificates) -> Iterator[str]:
        front = HttpServer(Exchange, Proxy(moto.server.url))
        with run_thread(front, certificates.context()) as url:
            yield url

    def test_own_authority(self, moto: Cloud, endpoint: str, certificates: Certificates) -> None:
        bucket, key = moto.make_bucket(), moto.make_key()
        more = {"endpoint": endpoint, "caFile": str(certificates.authority)}
        moto.open_storage(bucket, **more).create_record("id", b"data")
        moto.open_kek(key, **more).describe_kek()

    def test_unknown_authority(self, moto: Cloud, endpoint: str) -> None:
        storage = moto.open_storage(moto.make_bucket(), endpoint=endpoint, **PATIENT)
        with pytest.raises(ConfigError, match="its certificate is not trusted; have caFile"):
            storage.load_record("id")

    @pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_empty_variable_is_no_leave_to_trust(
        self, moto: Cloud, endpoint: str, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """boto3 1.40 takes it for that, also for who gives credentials; 1.44 opens no client."""
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.setenv(name, "")
        storage = moto.open_storage("deks", endpoint=endpoint, **PATIENT)
        with pytest.raises(ConfigError, match="its certificate is not trusted"):
            storage.load_record("id")
        session = open_session(AwsKekConfig.from_parameters(STATIC | {"keyName": "deks"}))
        assert session.get_config_variable("ca_bundle") == get_cert_path(verify=True)

    @pytest.mark.parametrize(
        ("place", "named"), [("config", "caFile"), ("environment", "AWS_CA_BUNDLE, or ca_bundle")]
    )
    @pytest.mark.parametrize("text", [None, "no certificate"])
    def test_wrong_file(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        place: str,
        named: str,
        text: str | None,
    ) -> None:
        found = tmp_path / "ca.pem"
        if text is not None:
            found.write_text(text)
        more = {"caFile": str(found)} if place == "config" else {}
        if place == "environment":
            monkeypatch.setenv("AWS_CA_BUNDLE", str(found))
        with pytest.raises(ConfigError, match=rf"ca\.pem.*; correct .*{named}"):
            AwsStorage(AwsStorageConfig.from_parameters(STATIC | more | {"bucket": "deks"}))


def rename(exchange: Exchange, names: tuple[str, str]) -> None:
    """Pass a call for a key on to one of another name, in the region of the tests."""
    name, real = (text.encode() for text in names)
    exchange.body = exchange.body.replace(name, real)
    exchange.headers.replace_header("Content-Length", str(len(exchange.body)))
    signed = exchange.headers["Authorization"].replace("us-east-1", REGION)
    exchange.headers.replace_header("Authorization", signed)
    reply = exchange.forward()
    reply.body = reply.body.replace(real, name)
    exchange.answer(reply)


class TestMultiRegion:
    """A replica is the same key under another region's name."""

    def test_replica(self, moto: Cloud) -> None:
        """No server here has replicas that decrypt: proxies give one key two names."""
        key = moto.make_key()
        here = key.replace("key/", "key/mrk-")
        there = here.replace(REGION, "us-east-1")
        with start_proxy(moto) as one, start_proxy(moto) as other:
            for proxy, name in ((one, here), (other, there)):
                for call in ("Encrypt", "Decrypt"):
                    proxy.spoil(call, partial(rename, names=(name, key)))
            keks = one.cloud.open_kek(here), other.cloud.open_kek(there, region="us-east-1")
            for first, second in (keks, reversed(keks)):
                wrapped = first.wrap_dek(bytes(32), CONTEXT)
                assert wrapped.kek_id == (here if first is keks[0] else there)
                assert second.unwrap_dek(wrapped, CONTEXT) == bytes(32)

    @pytest.mark.parametrize(
        ("old", "new"),
        [("mrk-", "mrk-0"), ("123456789012", "210987654321"), ("arn:aws:", "arn:aws-cn:")],
    )
    def test_another_key(self, moto: Cloud, old: str, new: str) -> None:
        kek = moto.open_kek(moto.make_key(MultiRegion=True))
        wrapped = kek.wrap_dek(bytes(32), CONTEXT)
        assert "key/mrk-" in wrapped.kek_id
        with pytest.raises(KekNotFoundError):
            kek.unwrap_dek(replace(wrapped, kek_id=wrapped.kek_id.replace(old, new)), CONTEXT)


class TestCallByAlias:
    """For a policy with ``kms:RequestAlias``."""

    @pytest.fixture
    def alias(self, moto: Cloud) -> str:
        key = moto.make_key()
        name = f"alias/{key.rpartition('/')[2]}"
        moto.admin("kms").create_alias(AliasName=name, TargetKeyId=key)
        return name

    def test_each_call_names_it(self, proxy: FaultProxy, alias: str) -> None:
        names: list[str] = []

        def note(exchange: Exchange) -> None:
            names.append(json.loads(exchange.body)["KeyId"])
            exchange.answer(exchange.forward())

        for call in ("DescribeKey", "Encrypt", "Decrypt"):
            proxy.spoil(call, note)
        kek = proxy.cloud.open_kek(alias, callByAlias="true")
        assert kek.unwrap_dek(kek.wrap_dek(bytes(32), CONTEXT), CONTEXT) == bytes(32)
        assert names == [alias] * 3

    def test_alias_that_was_moved(self, moto: Cloud, alias: str) -> None:
        bucket, new = moto.make_bucket(), moto.make_key()
        kek = {"backend": "aws", **moto.parameters, "keyName": alias, "callByAlias": True}
        with open_kms(kek, {"backend": "aws", **moto.parameters, "bucket": bucket}) as kms:
            kms.get_dek("id", create=True)
            moto.admin("kms").update_alias(AliasName=alias, TargetKeyId=new)
            with pytest.raises(KekNotFoundError, match=f"names '{new}' now"):
                kms.get_dek("id-2", create=True)
            assert list(kms.list_dek_ids()) == ["id"]

    def test_needs_an_alias(self) -> None:
        with pytest.raises(ConfigError, match="callByAlias needs keyName to be an alias"):
            AwsKekConfig.from_parameters(STATIC | {"keyName": "id", "callByAlias": "true"})
