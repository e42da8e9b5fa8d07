"""The mistakes that a newcomer to AWS is most likely to make, and what she is told of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    ConfigError,
    KekDisabledError,
    KekNotFoundError,
    UnavailableError,
)
from tests.aws.cloud import REGION, Cloud, FaultProxy
from tests.aws.faults import PATIENT
from tests.aws.test_permissions import allow
from tests.fakes.aws.faults import kms_error, s3_error
from tests.fakes.proxy import Proxy, say
from tests.mistakes import Setup, told_by

__all__ = ["told_by"]
pytestmark = pytest.mark.usefixtures("told_by")

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
DENIED = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: "
    b"arn:aws:iam::111122223333:user/u is not authorized to perform: sts:AssumeRole on resource: "
    b"arn:aws:iam::111122223333:role/deks</Message></Error></ErrorResponse>"
)
OWN = {"accessKeyID": None, "accessKey": None}
"""No credentials in the config."""


def setup(cloud: Cloud, **parameters: Any) -> Setup:
    more = {"backend": "aws", **cloud.parameters, **PATIENT, "maxAttempts": 1} | parameters
    kek, storage = more | {"keyName": cloud.make_key()}, more | {"bucket": cloud.make_bucket()}
    return Setup(kek, storage)


@pytest.fixture
def aws(proxy: FaultProxy) -> Setup:
    return setup(proxy.cloud)


class TestKey:
    def test_alias_that_does_not_exist(self, aws: Setup) -> None:
        aws.but(kek={"keyName": "alias/dekz"}).tells(
            KekNotFoundError,
            f"alias/dekz in {REGION}",
            "no such KEK",
            "an alias is alias/NAME",
            "region",
        )

    def test_key_of_another_region(self, aws: Setup) -> None:
        key = str(aws.kek["keyName"]).rpartition("/")[2]
        aws.but(kek={"keyName": key, "region": "us-east-1"}).tells(
            KekNotFoundError, key, "us-east-1", "no such KEK", "correct region, or keyName"
        )

    def test_region_is_not_that_of_the_arn(self, aws: Setup) -> None:
        aws.but(kek={"region": "us-east-1"}).tells(ConfigError, f"{REGION!r}", "'us-east-1'")

    def test_key_of_another_account(self, aws: Setup, proxy: FaultProxy) -> None:
        proxy.spoil("Encrypt", kms_error("AccessDeniedException"))
        arn = f"arn:aws:kms:{REGION}:999999999999:key/{KEY_ID}"
        aws.but(kek={"keyName": arn}).tells(
            AccessDeniedError,
            f"kms:Encrypt on {arn}",
            "IAM policy",
            "policy of the key",
            "another account's",
            "keyName",
        )

    def test_disabled_key(self, ministack: Cloud) -> None:
        aws = setup(ministack)
        ministack.admin("kms").disable_key(KeyId=aws.kek["keyName"])
        aws.tells(KekDisabledError, str(aws.kek["keyName"]), "is disabled", "enable it")

    def test_key_that_is_to_be_deleted(self, ministack: Cloud) -> None:
        aws = setup(ministack)
        ministack.admin("kms").schedule_key_deletion(KeyId=aws.kek["keyName"])
        aws.tells(KekDisabledError, "cancel", "deletion")

    @pytest.mark.parametrize(
        "spec",
        [{"KeySpec": "RSA_2048"}, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}],
    )
    def test_key_of_another_kind(self, aws: Setup, proxy: FaultProxy, spec: dict[str, str]) -> None:
        usage = {"KeyUsage": "ENCRYPT_DECRYPT"} | spec
        proxy.spoil("Encrypt", kms_error("InvalidKeyUsageException"))
        aws.but(kek={"keyName": proxy.cloud.make_key(**usage)}).tells(
            ConfigError, "asymmetric", "HMAC", "use a symmetric key"
        )


class TestCredentials:
    def test_none(self, aws: Setup) -> None:
        aws.but(both=OWN).tells(
            AuthenticationError, "no credentials", "accessKeyID", "profile", "role"
        )

    def test_wrong_access_key_id(self, enforced: Cloud) -> None:
        unknown = enforced.as_client("AKIAUNKNOWNUNKNOWN00")
        aws = setup(enforced)
        aws.but(kek=unknown.parameters).tells(
            AuthenticationError, "UnrecognizedClientException", "accessKeyID"
        )
        aws.but(storage=unknown.parameters).tells(
            AuthenticationError, "InvalidAccessKeyId", "accessKeyID"
        )

    def test_wrong_secret_key(self, enforced: Cloud) -> None:
        wrong = enforced.as_client(enforced.access_key_id, "wrong" * 8)
        aws = setup(enforced)
        aws.but(kek=wrong.parameters).tells(AuthenticationError, "accessKey")
        aws.but(storage=wrong.parameters).tells(AuthenticationError, "accessKey")

    def test_temporary_key_without_its_token(self, aws: Setup) -> None:
        aws.but(both={"accessKeyID": "ASIAIOSFODNN7EXAMPLE"}).tells(
            ConfigError, "temporary", "sessionToken"
        )

    def test_line_break_in_a_key(self, aws: Setup) -> None:
        aws.but(both={"accessKey": "wJalrXUtnFEMI/K7MDENG\n"}).tells(ConfigError, "accessKey")

    def test_expired_token(self, aws: Setup, proxy: FaultProxy) -> None:
        proxy.spoil("Encrypt", kms_error("ExpiredTokenException"))
        aws.but(both={"sessionToken": "expired"}).tells(
            AuthenticationError, "expired", "get new ones"
        )

    def test_clock_that_is_off(self, aws: Setup, proxy: FaultProxy) -> None:
        text = "Signature expired: 20261126T174213Z is now earlier than 20261126T175713Z"
        proxy.spoil("Encrypt", kms_error("InvalidSignatureException", message=text))
        for _ in range(2):
            aws.tells(AccessDeniedError, "clock", "set it")
        proxy.spoil_nothing()
        proxy.spoil("GET", s3_error("RequestTimeTooSkewed", 403))
        aws.tells(AccessDeniedError, "clock", "set it")

    def test_half_a_key(self, aws: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        aws.but(both=OWN).tells(AuthenticationError, "'env'", "missing", "secret key")

    def test_program_that_gives_no_credentials(self, aws: Setup, config_file: Path) -> None:
        config_file.write_text("[profile deks]\ncredential_process = false\n")
        aws.but(both=OWN | {"profile": "deks"}).tells(
            AuthenticationError, "profile 'deks'", "credential_process"
        )

    def test_profile_that_is_not_there(self, aws: Setup) -> None:
        aws.but(both=OWN | {"profile": "deks"}).tells(ConfigError, "'deks'", "profile", "~/.aws")

    def test_malformed_profile(self, aws: Setup, config_file: Path) -> None:
        config_file.write_text("[profile deks\nregion = eu-central-1\n")
        aws.but(both=OWN | {"profile": "deks"}).tells(
            ConfigError, str(config_file), "malformed", "[profile NAME]", "AWS_CONFIG_FILE"
        )

    def test_token_file_that_is_not_there(
        self, aws: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/deks")
        aws.but(both=OWN).tells(ConfigError, "AWS_WEB_IDENTITY_TOKEN_FILE")


class TestRole:
    @pytest.fixture
    def calls(self) -> set[str]:
        """The SDK's own calls for credentials are on no page of ours, so nothing is recorded."""
        return set()

    def test_role_that_cannot_be_assumed(self, aws: Setup, config_file: Path, sts: Proxy) -> None:
        config_file.write_text(
            "[profile deks]\nrole_arn = arn:aws:iam::111122223333:role/deks\n"
            "source_profile = base\n[profile base]\nregion = eu-central-1\n"
            "aws_access_key_id = AKIABASE\naws_secret_access_key = base\n"
        )
        sts.spoil("POST", say(403, DENIED))
        aws.but(both=OWN | {"profile": "deks"}).tells(
            AccessDeniedError,
            "AssumeRole on arn:aws:iam::111122223333:role/deks: ",
            "sts:AssumeRole",
            "trust policy",
            "correct role_arn",
        )


class TestPermissions:
    @pytest.mark.parametrize("action", ["kms:Encrypt", "kms:Decrypt"])
    def test_of_the_key(self, enforced: Cloud, action: str) -> None:
        aws = setup(enforced)
        user = enforced.make_user(allow(aws.storage["bucket"], without=action))
        aws.but(both=user.parameters).tells(
            AccessDeniedError,
            f"{action} on {aws.kek['keyName']}",
            "IAM policy",
            "policy of the key",
            unsaid="keyName" if action == "kms:Decrypt" else None,
        )

    def test_to_look_up_an_alias(self, enforced: Cloud) -> None:
        aws = setup(enforced)
        key_id = str(aws.kek["keyName"]).rpartition("/")[2]
        user = enforced.make_user(allow(aws.storage["bucket"], without="kms:DescribeKey"))
        aws.but(both=user.parameters, kek={"keyName": key_id}).tells(
            AccessDeniedError, f"kms:DescribeKey on {key_id}", "IAM policy", "ARN"
        )

    @pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject"])
    def test_of_the_bucket(self, enforced: Cloud, action: str) -> None:
        aws = setup(enforced)
        user = enforced.make_user(allow(aws.storage["bucket"], without=action))
        aws.but(both=user.parameters).tells(
            AccessDeniedError, f"{action} on arn:aws:s3:::", "IAM policy", "policy of the bucket"
        )


class TestBucket:
    def test_typo(self, aws: Setup) -> None:
        aws.but(storage={"bucket": "deeks-of-nobody"}).tells(
            ConfigError,
            "arn:aws:s3:::deeks-of-nobody",
            "no such bucket",
            "correct bucket",
            "create",
        )

    def test_illegal_name(self, aws: Setup) -> None:
        for bucket in ("s3://deks", "deks/prod"):
            aws.but(storage={"bucket": bucket}).tells(ConfigError, "bucket", "name", "prefix")

    def test_of_another_region(self, aws: Setup, proxy: FaultProxy) -> None:
        body = b"<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>"
        proxy.spoil("GET", say(301, body, x_amz_bucket_region="us-west-2"))
        aws.tells(ConfigError, "us-west-2", "in another region", "correct region")

    def test_of_another_account(self, aws: Setup, proxy: FaultProxy) -> None:
        for call in ("GET", "PUT"):
            proxy.spoil(call, s3_error("AccessDenied", 403))
        aws.but(storage={"endpoint": None, "region": "us-east-1"})
        aws.tells(AccessDeniedError, "s3:PutObject on arn:aws:s3:::", "another account")


class TestNetwork:
    @pytest.mark.usefixtures("nobody_knows")
    def test_region_with_a_typo(self, aws: Setup) -> None:
        wrong = {"region": "eu-centrl-1", "endpoint": None}
        for one in (aws.but(kek=wrong | {"keyName": "alias/deks"}), aws.but(storage=wrong)):
            one.tells(UnavailableError, "eu-centrl-1", "DNS", "region")

    def test_nobody_listens(self, aws: Setup, closed_port: int) -> None:
        url = f"http://127.0.0.1:{closed_port}"
        aws.but(storage={"endpoint": url}).tells(
            UnavailableError, url.removeprefix("http://"), "nobody listens there", "endpoint"
        )

    def test_proxy_that_refuses(
        self, aws: Setup, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
        aws.but(both={"endpoint": None}).tells(UnavailableError, "the proxy", "HTTPS_PROXY")

    def test_untrusted_certificate(self, aws: Setup, tls: Proxy) -> None:
        aws.but(kek={"endpoint": tls.url}).tells(
            ConfigError, "certificate", "caFile", "AWS_CA_BUNDLE"
        )

    def test_https_where_http_is_spoken(self, aws: Setup, proxy: FaultProxy) -> None:
        url = proxy.url.replace("http:", "https:")
        aws.but(storage={"endpoint": url}).tells(UnavailableError, "TLS", "endpoint")

    def test_http_to_another_machine(self, aws: Setup) -> None:
        url = "http://kms.eu-central-1.amazonaws.com"
        aws.but(kek={"endpoint": url}).tells(ConfigError, "endpoint", "plain http", "use https")

    def test_file_of_authorities_that_is_not_there(self, aws: Setup, tmp_path: Path) -> None:
        file = str(tmp_path / "ca.pem")
        aws.but(both={"caFile": file}).tells(ConfigError, file, "caFile", "No such file")

    def test_file_of_authorities_that_has_none(
        self, aws: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "ca.der"
        file.write_text("PRIVATE")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
        aws.tells(ConfigError, str(file), "no certificate in PEM", "AWS_CA_BUNDLE")


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "config"
