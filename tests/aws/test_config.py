"""What a config may say, and that nothing in the environment says otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import fields

from kms_aws.client import AwsClient
from kms_aws.config import AwsConfig, AwsKekConfig, AwsStorageConfig
from kms_aws.kek import AwsKek
from kms_core import AccessDeniedError, ConfigError, open_kms
from kms_core._config.choices import ChosenBackend, load_choices
from kms_core._config.uri import parse_uri
from kms_core._plugins.parameters import read_parameters
from tests.aws.cloud import REGION, Cloud
from tests.docs.pages import DOCS, ROOT
from tests.secret_files import write_private

PAGE = DOCS / "providers" / "aws.md"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = f"arn:aws:kms:{REGION}:123456789012:key/{KEY_ID}"
STATIC = {"accessKeyID": "AKIACONFIG", "accessKey": "config-secret"}


def opened_client(service: str, config: AwsConfig) -> Any:
    client: AwsClient[Any] = AwsClient(service, config)
    return client.get()


def kek_config(**parameters: Any) -> AwsKekConfig:
    given = {"region": REGION, "keyName": KEY_ID} | parameters
    return read_parameters(AwsKekConfig, ChosenBackend("kms", "aws", given))


def storage_config(**parameters: Any) -> AwsStorageConfig:
    given = {"region": REGION, "bucket": "my-deks"} | parameters
    return read_parameters(AwsStorageConfig, ChosenBackend("storage", "aws", given))


def test_uris_of_constellation() -> None:
    kek = "kms://aws?region=eu-west-1&accessKeyID=AKIA&accessKey=a/b%2Fc+d=&keyName=alias/deks"
    name, parameters = parse_uri(kek, "kms")
    config = read_parameters(AwsKekConfig, ChosenBackend("kms", name, parameters))
    assert config.access_key is not None
    assert config.access_key.get_secret_value() == "a/b/c+d="
    assert "a/b" not in repr(config)
    storage = "storage://aws?bucket=deks&region=eu-west-1&accessKeyID=AKIA&accessKey=secret"
    name, parameters = parse_uri(storage, "storage")
    assert read_parameters(AwsStorageConfig, ChosenBackend("storage", name, parameters)).bucket


@pytest.mark.parametrize(
    "name",
    [
        KEY_ID,
        f"mrk-{KEY_ID.replace('-', '')}",
        "alias/deks",
        ARN,
        ARN.replace(f"key/{KEY_ID}", "alias/my/deks"),
    ],
)
def test_key_names(name: str) -> None:
    assert kek_config(keyName=name).key_name == name


@pytest.mark.parametrize(
    ("partition", "region"),
    [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1"), ("aws-iso-b", "us-isob-east-1")],
)
def test_partitions(partition: str, region: str) -> None:
    arn = f"arn:{partition}:kms:{region}:123456789012:key/{KEY_ID}"
    config = kek_config(keyName=arn, region=region, **STATIC)
    assert config.key_arn == arn
    assert AwsClient("kms", config).partition == partition


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"region": ""}, "region"),
        ({"region": "eu west 1"}, "region"),
        ({"keyName": ""}, "keyName"),
        ({"keyName": f"arn:aws:s3:::{KEY_ID}"}, "not the ARN of a KMS key or alias"),
        ({"keyName": ARN, "region": "us-east-1"}, f"keyName is in region '{REGION}'"),
        ({"accessKeyID": "AKIA"}, "give both or neither"),
        ({"accessKey": "secret"}, "give both or neither"),
        ({"sessionToken": "token"}, "sessionToken needs accessKeyID"),
        ({**STATIC, "profile": "deks"}, "not both"),
        ({"endpoint": "http://kms.example.com"}, "plain http to another machine"),
        ({"endpoint": "http://localhost.example.com"}, "plain http to another machine"),
        ({"endpoint": "http://user@localhost"}, "leave credentials out"),
        ({"endpoint": "https://"}, "https://HOST"),
        ({"endpoint": "ftp://localhost"}, "https://HOST"),
        ({"endpoint": "https://localhost:99999"}, "[Pp]ort"),
        ({"readTimeout": "0"}, "readTimeout"),
        ({"connectTimeout": "soon"}, "connectTimeout"),
        ({"maxAttempts": "0"}, "maxAttempts"),
        ({"keyname": KEY_ID}, "did you mean 'keyName'"),
    ],
)
def test_wrong_kek_configs(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        kek_config(**parameters)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"bucket": "a/b"}, "bucket"),
        ({"prefix": "/deks"}, "prefix"),
        ({"prefix": "a//b"}, "prefix"),
        ({"prefix": "../deks"}, "prefix"),
        ({"prefix": "deks/."}, "prefix"),
        ({"prefix": "d" * 201}, "prefix"),
        ({"tags": "team"}, "tags"),
        ({"tags": "team=a&team=b"}, "twice"),
        ({"expectedBucketOwner": "me"}, "expectedBucketOwner"),
    ],
)
def test_wrong_storage_configs(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        storage_config(**parameters)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost"]
)
def test_plain_http_to_loopback(endpoint: str) -> None:
    assert kek_config(endpoint=endpoint).endpoint == endpoint


def test_prefix_is_a_folder() -> None:
    assert storage_config(prefix="my/deks").prefix == storage_config(prefix="my/deks/").prefix


def test_secrets_from_files_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "secret", "from-file\n")
    config = kek_config(accessKeyID="AKIA", accessKeyFile=str(tmp_path / "secret"))
    assert config.access_key is not None
    assert config.access_key.get_secret_value() == "from-file"
    monkeypatch.setenv("KMS_STORAGE_AWS_ACCESS_KEY", "from-environment")
    found = storage_config(accessKeyID="AKIA").access_key
    assert found is not None
    assert found.get_secret_value() == "from-environment"


CONTRARY = {
    "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT",
    "AWS_SECRET_ACCESS_KEY": "environment-secret",
    "AWS_SESSION_TOKEN": "environment-token",
    "AWS_REGION": "us-west-1",
    "AWS_DEFAULT_REGION": "us-west-1",
    "AWS_PROFILE": "gone",
    "AWS_DEFAULT_PROFILE": "gone",
    "AWS_ENDPOINT_URL": "https://environment.example.com",
    "AWS_ENDPOINT_URL_KMS": "https://environment.example.com",
    "AWS_ENDPOINT_URL_S3": "https://environment.example.com",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_RETRY_MODE": "legacy",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.fixture
def contrary(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def set_all() -> None:
        for name, value in CONTRARY.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_environment_overrides_nothing(moto: Cloud, contrary: Callable[[], None]) -> None:
    key, bucket = moto.make_key(), moto.make_bucket()
    kek = {"backend": "aws", **moto.parameters, "keyName": key}
    storage = {"backend": "aws", **moto.parameters, "bucket": bucket}
    contrary()
    with open_kms(kek, storage) as kms:
        assert kms.get_dek("id", create=True) == kms.get_dek("id", create=True)


def test_environment_does_not_reach_the_client(contrary: Callable[[], None]) -> None:
    contrary()
    config = kek_config(**STATIC, endpoint="https://kms.internal:8443", maxAttempts=2)
    client = opened_client("kms", config)
    credentials = client._get_credentials()
    assert credentials.access_key == "AKIACONFIG"
    assert credentials.secret_key == "config-secret"
    assert credentials.token is None
    assert client.meta.endpoint_url == "https://kms.internal:8443"
    assert client.meta.region_name == REGION
    retries = {"mode": "standard", "total_max_attempts": 2}
    assert client.meta.config.retries == retries
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (5, 10)


@pytest.mark.parametrize("service", ["kms", "s3"])
def test_endpoint_of_the_environment_is_ignored(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, CONTRARY[name])
    client = opened_client(service, kek_config(region="us-east-1", **STATIC))
    assert client.meta.endpoint_url == f"https://{service}.us-east-1.amazonaws.com"


@pytest.mark.parametrize("page", [PAGE, ROOT / "kms-aws" / "README.md"])
def test_documented_config(page: Path, tmp_path: Path) -> None:
    # In the page's list of steps the block is indented.
    [block] = re.findall(r"^ *```toml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    config = tmp_path / "kms.toml"
    config.write_text(dedent(block))
    settings = load_choices(config=config)
    assert read_parameters(AwsKekConfig, settings.keks[0]).key_name == "alias/deks"
    assert read_parameters(AwsStorageConfig, settings.storage).bucket == "my-deks"


def test_documented_parameters() -> None:
    rows = "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))
    taken = {f.encode_name for f in (*fields(AwsKekConfig), *fields(AwsStorageConfig))}
    assert taken <= set(re.findall(r"`(\w+)`", rows))


def test_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text(
        "[deks]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = profile-secret\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.setenv(name, CONTRARY[name])
    client = opened_client("kms", kek_config(profile="deks"))
    assert client._get_credentials().access_key == "AKIAPROFILE"
    with pytest.raises(ConfigError, match="has this profile"):
        opened_client("kms", kek_config(profile="other"))


def test_default_chain(moto: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {k: v for k, v in moto.parameters.items() if not k.startswith("accessKey")}
    kek = AwsKek(kek_config(**parameters, keyName=moto.make_key()))
    with pytest.raises(AccessDeniedError, match="no credentials were found"):
        kek.describe_kek()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.access_key_id)
    with pytest.raises(AccessDeniedError, match="PartialCredentialsError"):
        AwsKek(kek_config(**parameters))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.access_key)
    key = moto.make_key()
    assert AwsKek(kek_config(**parameters | {"keyName": key})).describe_kek().kek_id == key


def test_boto3_itself_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above do test something."""
    import boto3  # noqa: PLC0415 -- only this test compares

    monkeypatch.setenv("AWS_ENDPOINT_URL", CONTRARY["AWS_ENDPOINT_URL"])
    client = boto3.client(
        "kms", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
    )
    assert re.search("environment", client.meta.endpoint_url)
    assert issubclass(client.exceptions.ClientError, ClientError)
