"""Where the credentials of AWS may be, each with a secret in it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from botocore.utils import ContainerMetadataFetcher

from tests.fakes.proxy import Reply
from tests.leaks.internet import Answer, Internet, Request
from tests.leaks.planted import Plants

_ROLE = "arn:aws:iam::111122223333:role/deks"
_UNTIL = "2999-01-01T00:00:00Z"


def parameters(plants: Plants, _: pytest.MonkeyPatch, __: Internet) -> dict[str, Any]:
    return _static(plants)


def files(plants: Plants, _: pytest.MonkeyPatch, __: Internet) -> dict[str, Any]:
    return {
        "accessKeyID": "AKIAEXAMPLE",
        "accessKeyFile": plants.file("key", plants.text("access key")),
        "sessionTokenFile": plants.file("token", plants.text("session token")),
    }


def own_variables(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    for kind in ("KEK", "STORAGE"):
        patch.setenv(f"KMS_{kind}_AWS_ACCESS_KEY", plants.text("access key"))
        patch.setenv(f"KMS_{kind}_AWS_SESSION_TOKEN", plants.text("session token"))
    return {"accessKeyID": "AKIAEXAMPLE"}


def variables(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    patch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    patch.setenv("AWS_SECRET_ACCESS_KEY", plants.text("access key"))
    patch.setenv("AWS_SESSION_TOKEN", plants.text("session token"))
    return {}


def profile(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    _write_profile(plants, patch, _base(plants))
    return {"profile": "base"}


def role(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    chain = f"[profile deks]\nrole_arn = {_ROLE}\nsource_profile = base\nexternal_id = "
    _write_profile(plants, patch, f"{chain}{plants.text('external id')}\n{_base(plants)}")
    internet.issuers["sts."] = _issue_session(plants, "AssumeRole")
    return {"profile": "deks"}


def web_identity(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    token = plants.file("web-identity", plants.text("web identity token", 400))
    patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
    patch.setenv("AWS_ROLE_ARN", _ROLE)
    internet.issuers["sts."] = _issue_session(plants, "AssumeRoleWithWebIdentity")
    return {}


def process(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    _write_process(plants, patch, json.dumps({"Version": 1, **_given(plants)}))
    return {"profile": "deks"}


def talkative_process(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    _write_process(plants, patch, "Welcome!\n" + json.dumps({"Version": 1, **_given(plants)}))
    return {"profile": "deks"}


def failing_process(plants: Plants, patch: pytest.MonkeyPatch, _: Internet) -> dict[str, Any]:
    _write_process(plants, patch, plants.text("access key"), code=1)
    return {"profile": "deks"}


def container(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{internet.url}/container")
    patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", plants.text("container's token"))
    internet.issuers["/container"] = _issue_json(plants)
    return {}


def instance(plants: Plants, patch: pytest.MonkeyPatch, internet: Internet) -> dict[str, Any]:
    patch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", internet.url)
    internet.issuers |= {
        "/latest/api/token": lambda _: Reply(200, plants.text("metadata token").encode()),
        "security-credentials/deks": _issue_json(plants),
        "security-credentials/": lambda _: Reply(200, b"deks"),
    }
    return {}


def limit_metadata(patch: pytest.MonkeyPatch, seconds: int) -> None:
    """How long the SDK waits for what gives a machine or a container its credentials."""
    patch.setenv("AWS_METADATA_SERVICE_TIMEOUT", str(seconds))
    patch.setattr(ContainerMetadataFetcher, "TIMEOUT_SECONDS", seconds)


def describe_key(request: Request) -> Reply | None:
    """The KEK is there, so that a DEK is sent to be wrapped."""
    if not request.headers.get("X-Amz-Target", "").endswith("DescribeKey"):
        return None
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    key = {"Arn": arn, "KeyId": arn.rpartition("/")[2], "KeySpec": "SYMMETRIC_DEFAULT"}
    said = {"KeyMetadata": key | {"KeyUsage": "ENCRYPT_DECRYPT", "KeyState": "Enabled"}}
    return Reply(200, json.dumps(said).encode())


def _static(plants: Plants) -> dict[str, Any]:
    return {
        "accessKeyID": "AKIAEXAMPLE",
        "accessKey": plants.text("access key"),
        "sessionToken": plants.text("session token", 400),
    }


def _base(plants: Plants) -> str:
    return (
        "[profile base]\naws_access_key_id = AKIAEXAMPLE\n"
        f"aws_secret_access_key = {plants.text('access key')}\n"
        f"aws_session_token = {plants.text('session token', 400)}\n"
    )


def _write_profile(plants: Plants, patch: pytest.MonkeyPatch, text: str) -> None:
    patch.setenv("AWS_CONFIG_FILE", plants.file("aws-config", text))


def _write_process(
    plants: Plants, patch: pytest.MonkeyPatch, output: str, *, code: int = 0
) -> None:
    said = plants.file("output", output)
    shown = plants.file("errors", plants.text("what a process shows"))
    program = f"import sys; print(open('{said}').read()); sys.exit(open('{shown}').read())"
    if not code:
        program = f"print(open('{said}').read())"
    script = plants.file("program.py", program)
    line = f"credential_process = {sys.executable} {script}"
    _write_profile(plants, patch, f"[profile deks]\n{line}\n")


def _given(plants: Plants) -> dict[str, str]:
    return {
        "AccessKeyId": "AKIAGIVEN",
        "SecretAccessKey": plants.text("given access key"),
        "SessionToken": plants.text("given token", 400),
        "Expiration": _UNTIL,
    }


def _issue_json(plants: Plants) -> Answer:
    given = _given(plants)
    said = {"Code": "Success", "Token": given["SessionToken"], **given}
    return lambda _: Reply(200, json.dumps(said).encode())


def _issue_session(plants: Plants, action: str) -> Answer:
    given = "".join(f"<{name}>{text}</{name}>" for name, text in _given(plants).items())
    result = f"<{action}Result><Credentials>{given}</Credentials></{action}Result>"
    body = f"<{action}Response>{result}</{action}Response>"
    return lambda _: Reply(200, body.encode(), [("Content-Type", "text/xml")])


BEFORE_ANY_CALL = {talkative_process, failing_process}
"""Where already finding the credentials fails, and nobody is asked."""

WITHOUT_ISSUER = {
    *(parameters, files, own_variables, variables, profile, process),
    *BEFORE_ANY_CALL,
}
"""Where no service gives credentials."""

PLACES = (
    *(parameters, files, own_variables, variables, profile, role, web_identity),
    *(process, talkative_process, failing_process, container, instance),
)
