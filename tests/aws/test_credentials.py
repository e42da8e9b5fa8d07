"""Where credentials come from: which hosts are asked, for how long, and never a terminal."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kms_aws.client import AwsClient
from kms_aws.config import AwsKekConfig
from kms_core import AccessDeniedError, UnavailableError
from tests.aws.cloud import REGION
from tests.fakes.proxy import Exchange, Proxy, Reply, run_proxy

SESSION = b"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>AKIASTOLEN</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@pytest.fixture(autouse=True)
def calls() -> set[str]:
    """The SDK's own calls for credentials are on no page of ours, so nothing is recorded."""
    return set()


@pytest.fixture
def elsewhere() -> Iterator[Proxy]:
    """A host that the environment names, and no config."""
    proxy = Proxy("http://127.0.0.1:9")
    with run_proxy(proxy, Exchange):
        proxy.spoil("POST", lambda exchange: exchange.answer(Reply(200, SESSION)))
        proxy.spoil("GET", lambda exchange: exchange.answer(Reply(200, b"{}")))
        yield proxy


@pytest.fixture
def web_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("a-web-identity-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/deks")
    monkeypatch.setenv("AWS_REGION", REGION)


def config(**more: object) -> AwsKekConfig:
    return AwsKekConfig.from_parameters(
        {"region": REGION, "keyName": "alias/deks", "maxAttempts": 1, "connectTimeout": 1, **more}
    )


@pytest.mark.usefixtures("web_identity")
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
def test_environment_gets_no_web_identity_token(
    elsewhere: Proxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # so that no real host is asked
    with pytest.raises(UnavailableError):
        AwsClient("kms", config()).get()
    assert elsewhere.seen == []


@pytest.mark.parametrize("name", ["endpoint_url", "services"])
def test_profile_leads_nowhere_else(
    elsewhere: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    place = f"endpoint_url = {elsewhere.url}" if name == "endpoint_url" else "services = other"
    (tmp_path / "config").write_text(
        f"[profile deks]\nregion = {REGION}\nrole_arn = arn:aws:iam::111122223333:role/deks\n"
        f"source_profile = base\n{place}\n[profile base]\naws_access_key_id = AKIABASE\n"
        f"aws_secret_access_key = base\n{place}\n[services other]\nsts =\n"
        f"  endpoint_url = {elsewhere.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError):
        AwsClient("kms", config(profile="deks")).get()
    assert elsewhere.seen == []


@pytest.mark.usefixtures("web_identity")
@pytest.mark.timeout(150)  # the SDK alone would wait for three minutes
def test_service_that_gives_no_credentials_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # which nobody accepts from
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="finding credentials on this machine"):
            AwsClient("kms", config(readTimeout=1)).get()


def test_profile_with_mfa_asks_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[profile deks]\nrole_arn = arn:aws:iam::111122223333:role/deks\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::111122223333:mfa/me\n[profile base]\n"
        f"region = {REGION}\naws_access_key_id = AKIABASE\naws_secret_access_key = base\n"
    )

    def ask(_: str) -> str:
        raise AssertionError("a terminal was asked")

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(AccessDeniedError, match="asks for an MFA code"):
        AwsClient("kms", config(profile="deks")).get()
    monkeypatch.setenv("AWS_PROFILE", "deks")
    with pytest.raises(AccessDeniedError, match="asks for an MFA code"):
        AwsClient("kms", config()).get()
