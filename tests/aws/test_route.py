"""Doctor tries the way that the SDK's calls go."""

from __future__ import annotations

from pathlib import Path

import pytest

from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_aws.route import find_kms_route, find_s3_route
from kms_core import KmsError
from kms_core.backend import Route

FIPS, DUAL_STACK = "USE_FIPS_ENDPOINT", "USE_DUALSTACK_ENDPOINT"


def routes(region: str, **more: str) -> list[Route]:
    place = {"region": region} | more
    kek = AwsKekConfig.from_parameters(place | {"keyName": "alias/deks"})
    store = AwsStorageConfig.from_parameters(place | {"bucket": "deks"})
    return [find_kms_route(kek), find_s3_route(store)]


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"


HOSTS = {
    "us-east-1": ("kms.us-east-1.amazonaws.com", "deks.s3.us-east-1.amazonaws.com"),
    "cn-north-1": ("kms.cn-north-1.amazonaws.com.cn", "deks.s3.cn-north-1.amazonaws.com.cn"),
    f"us-east-1 {FIPS}": (
        "kms-fips.us-east-1.amazonaws.com",
        "deks.s3-fips.us-east-1.amazonaws.com",
    ),
    f"eu-central-1 {DUAL_STACK}": (
        "kms.eu-central-1.api.aws",
        "deks.s3.dualstack.eu-central-1.amazonaws.com",
    ),
    f"us-east-1 {FIPS} {DUAL_STACK}": (
        "kms-fips.us-east-1.api.aws",
        "deks.s3-fips.dualstack.us-east-1.amazonaws.com",
    ),
}
"""Region and settings → the hosts; https://docs.aws.amazon.com/general/latest/gr/rande.html."""


@pytest.mark.parametrize("where", HOSTS)
@pytest.mark.parametrize("place", ["environment", "profile"])
def test_endpoints_that_the_machine_chooses(
    monkeypatch: pytest.MonkeyPatch, profile: Path, place: str, where: str
) -> None:
    region, *settings = where.split()
    if place == "environment":
        for name in settings:
            monkeypatch.setenv(f"AWS_{name}", "true")
    else:
        lines = [f"{name.lower()} = true" for name in settings]
        profile.write_text("\n".join(["[default]", *lines]))
    assert [way.url for way in routes(region)] == [f"https://{host}" for host in HOSTS[where]]


def test_endpoint_of_the_config_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AWS_{FIPS}", "true")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    [kms, s3] = routes("eu-central-1", endpoint="https://internal:8443")
    assert (kms.url, s3.url) == ("https://internal:8443",) * 2
    assert kms.proxy == s3.proxy == "http://proxy:3128"
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    assert [way.proxy for way in routes("eu-central-1", endpoint="http://127.0.0.1:9")] == [
        None
    ] * 2


@pytest.mark.parametrize("named", ["ca_bundle", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "caFile"])
def test_authorities(
    monkeypatch: pytest.MonkeyPatch, profile: Path, tmp_path: Path, named: str
) -> None:
    default = routes("eu-central-1")[0].ca_file
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(Path(str(default)).read_bytes())
    if named == "ca_bundle":
        profile.write_text(f"[default]\nca_bundle = {bundle}\n")
    elif named != "caFile":
        monkeypatch.setenv(named, str(bundle))
    more = {"caFile": str(bundle)} if named == "caFile" else {}
    assert [way.ca_file for way in routes("eu-central-1", **more)] == [str(bundle)] * 2


def test_endpoint_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AWS_{FIPS}", "true")
    with pytest.raises(KmsError):
        routes("cn-north-1")
