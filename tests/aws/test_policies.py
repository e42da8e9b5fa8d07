"""What ``kms permissions aws`` prints, put into force on a server that enforces it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from kms_aws.config import AwsKekConfig, AwsStorageConfig
from kms_aws.permissions import CALLS, HOOKS, PURPOSES, write_policy
from kms_core import AccessDeniedError, ConfigError
from kms_core._doctor import stores
from kms_core.backend import BackendConfig
from kms_core.builtin.local.key_file import new_key_file
from kms_core.builtin.local.rotation import rotate_key_file
from tests.aws.cloud import Cloud, start_proxy
from tests.docs.pages import DOCS, blocks
from tests.docs.upkeep import PAGE
from tests.fakes.proxy import Exchange, Reply
from tests.mistakes import Setup
from tests.purposes import use

_ROW = re.compile(r"^\| `([A-Z]\w+)` \| (`[a-z0-9]+:.*?) \| [^|]* \| [^|]* \|$", re.MULTILINE)
TRIED = [purpose for purpose in PURPOSES if purpose != "rewrap"]
"""test_permissions.py tries the policy of who rewraps."""


def lines(purpose: str) -> list[str]:
    return [action for call in PURPOSES[purpose] for action in CALLS[call]]


def of_s3(purpose: str) -> list[str]:
    return [action for action in lines(purpose) if action.startswith("s3:")]


@pytest.fixture(autouse=True)
def _short_races(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_CLIENTS", 2)
    monkeypatch.setattr(stores, "_ROUNDS", 0)


def make(cloud: Cloud) -> Setup:
    """A key by its alias, which has to be looked up, and a bucket."""
    alias = f"alias/deks-{token_hex(6)}"
    cloud.admin("kms").create_alias(AliasName=alias, TargetKeyId=cloud.make_key())
    more = {"backend": "aws", **cloud.parameters}
    return Setup(more | {"keyName": alias}, more | {"bucket": cloud.make_bucket()})


def printed(purpose: str, configs: Sequence[BackendConfig], without: str) -> dict[str, Any]:
    """The policy without one of its lines."""
    policy: dict[str, Any] = json.loads(write_policy(purpose, configs))
    for statement in policy["Statement"]:
        statement["Action"] = [a for a in statement["Action"] if a != without]
    policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
    return policy


def in_force(purpose: str, setups: list[Setup], without: str) -> dict[str, Any]:
    """The policy for these; moto asks whether a call of KMS is allowed on "*", whatever the key."""
    configs = [AwsKekConfig.from_parameters(_parameters(one.kek)) for one in setups]
    policy = printed(purpose, [*configs, *stores_of(setups)], without)
    for statement in policy["Statement"]:
        if isinstance(statement["Resource"], list) or ":kms:" in statement["Resource"]:
            statement["Resource"] = "*"
    return policy


def stores_of(setups: list[Setup]) -> list[AwsStorageConfig]:
    return [AwsStorageConfig.from_parameters(_parameters(one.storage)) for one in setups]


def _parameters(of: Any) -> dict[str, object]:
    return {name: value for name, value in of.items() if name != "backend"}


def use_without(line: str, purpose: str, setups: list[Setup]) -> None:
    """It works; without a line of the policy it is refused for that line."""
    with ExitStack() as stack:
        if line:
            stack.enter_context(pytest.raises(AccessDeniedError, match=line))
        use(purpose, *setups)


@pytest.mark.rest
@pytest.mark.parametrize(
    ("purpose", "without"),
    [(purpose, action) for purpose in TRIED for action in ["", *lines(purpose)]],
)
def test_printed_policy(enforced: Cloud, calls: list[str], purpose: str, without: str) -> None:
    """It is enough, and each of its lines is needed."""
    setups = [make(enforced), make(enforced)]
    with setups[0].open() as kms:
        kms.create_dek("due")
    user = enforced.make_user(in_force(purpose, setups, without))
    mine = [setup.but(both=user.parameters) for setup in setups]
    calls.clear()
    use_without(without, purpose, mine)
    if not without:
        assert {*calls} == {*PURPOSES[purpose]}


@pytest.fixture
def stored(guarded: Cloud, tmp_path: Path) -> list[Setup]:
    """Two buckets that keep versions; in one is a DEK under an old version of its KEK."""
    key_file = tmp_path / "kek.toml"
    key_file.write_text(new_key_file())
    key_file.chmod(0o600)
    setups = []
    for bucket in (guarded.make_bucket(), guarded.make_bucket()):
        guarded.keep_versions(bucket)
        storage = {"backend": "aws", **guarded.parameters, "bucket": bucket}
        setups.append(Setup({"backend": "local", "keyFile": str(key_file)}, storage))
    with setups[0].open() as kms:
        kms.create_dek("due")
    rotate_key_file(key_file)
    return setups


@pytest.fixture
def grant(
    request: pytest.FixtureRequest, guarded: Cloud, stored: list[Setup]
) -> Callable[[dict[str, Any]], Cloud]:
    """Puts a policy into force, as it is on a new user, or for the user on each bucket."""

    def on_user(policy: dict[str, Any]) -> Cloud:
        return guarded.make_user(policy if policy["Statement"] else ELSEWHERE)

    def on_buckets(policy: dict[str, Any]) -> Cloud:
        user = guarded.make_user(ELSEWHERE)
        for one in stored:
            guarded.allow(user, policy, str(one.storage["bucket"]))
        return user

    return on_user if request.param == "user" else on_buckets


@pytest.mark.rest
@pytest.mark.parametrize(
    ("grant", "purpose", "without"),
    [
        (on, purpose, action)
        for on in ("user", "bucket")
        for purpose in PURPOSES
        for action in ["", *of_s3(purpose)]
        if on == "user" or purpose == "create" or not action
    ],
    indirect=["grant"],
)
def test_printed_policy_on_a_store(
    stored: list[Setup],
    grant: Callable[[dict[str, Any]], Cloud],
    calls: list[str],
    purpose: str,
    without: str,
) -> None:
    """What it says of the store is enough, and each of its lines is needed."""
    user = grant(printed(purpose, stores_of(stored), without))
    mine = [setup.but(storage=user.parameters) for setup in stored]
    calls.clear()
    use_without(without, purpose, mine)
    if not without:
        assert {*calls} == {call for call in PURPOSES[purpose] if call.startswith("s3:")}


ELSEWHERE = printed("get", [], "")
"""It allows nothing on the buckets of these tests."""


def test_pages_have_what_is_printed() -> None:
    [page] = blocks(DOCS / "providers" / "aws.md", "json")
    rewrap = blocks(PAGE, "json")[0]
    assert [_actions(page), _actions(rewrap)] == [
        _actions(write_policy("create", [])),
        _actions(write_policy("rewrap", [])),
    ]


def test_page_has_every_call() -> None:
    text = (DOCS / "providers" / "aws.md").read_text("utf-8")
    rows = {call: re.findall(r"`([^`]+)`", actions) for call, actions in _ROW.findall(text)}
    assert rows == {call.partition(":")[2]: [*actions] for call, actions in CALLS.items()}


def test_names_in_a_policy() -> None:
    """An alias is none that a policy could have; what writes takes besides is there."""
    place = {"region": "cn-north-1"}
    kek = AwsKekConfig.from_parameters(place | {"keyName": "alias/deks"})
    by_id = AwsKekConfig.from_parameters(place | {"keyName": "1234abcd"})
    written = {"tags": "a=b", "acl": "private", "sse": "aws:kms", "sseKmsKeyId": "arn:key"}
    more = {"bucket": "deks", "prefix": "team", "createBucket": True} | written
    store = AwsStorageConfig.from_parameters(place | more)
    keys, objects, bucket, sse = json.loads(write_policy("create", [kek, by_id, store]))[
        "Statement"
    ]
    assert keys["Resource"] == [
        f"arn:aws-cn:kms:cn-north-1:ACCOUNT:key/{key}" for key in ("KEY_ID", "1234abcd")
    ]
    assert objects["Resource"] == "arn:aws-cn:s3:::deks/team/*"
    assert {"s3:PutObjectTagging", "s3:PutObjectAcl"} < {*objects["Action"]}
    assert (bucket["Resource"], bucket["Action"]) == ("arn:aws-cn:s3:::deks", ["s3:CreateBucket"])
    assert sse["Resource"] == "arn:key"
    [alone] = json.loads(write_policy("get", [kek]))["Statement"]
    assert alone["Action"] == ["kms:DescribeKey", "kms:Decrypt"]


def test_policy_of_the_bucket_refuses_no_write_of_ours(moto: Cloud) -> None:
    """As AWS has it: who writes a record says what it is to replace.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    No server here knows these keys of a condition, so what is sent is compared with them.
    """
    place = {"region": "eu-central-1", "bucket": "my-deks", "prefix": "team"}
    text = write_policy("create", [AwsStorageConfig.from_parameters(place)], "bucket-policy")
    [refused] = json.loads(text)["Statement"]
    assert (refused["Effect"], refused["Principal"]) == ("Deny", "*")
    assert (refused["Action"], refused["Resource"]) == (
        "s3:PutObject",
        "arn:aws:s3:::my-deks/team/*",
    )
    [(operator, keys)] = refused["Condition"].items()
    assert (operator, {*keys.values()}) == ("Null", {"true"})
    headers = {key.removeprefix("s3:") for key in keys}
    sent: list[set[str]] = []

    def note(exchange: Exchange, reply: Reply) -> Reply:
        if exchange.command == "PUT":
            sent.append({*map(str.lower, exchange.headers)})
        return reply

    with start_proxy(moto) as proxy:
        proxy.live = note
        storage = proxy.cloud.open_storage(moto.make_bucket())
        storage.replace_record("id", b"new", storage.create_record("id", b"data"))
    assert len(sent) > 3  # with the probes
    assert [one for one in sent if not one & headers] == []


def test_forms_of_a_policy() -> None:
    assert "arn:aws:s3:::BUCKET/*" in write_policy("create", [], "bucket-policy")
    kek = AwsKekConfig.from_parameters({"region": "eu-central-1", "keyName": "alias/deks"})
    for configs, form in (([kek], "bucket-policy"), ([], "access-policy")):
        with pytest.raises(ConfigError):
            write_policy("create", configs, form)


def _actions(policy: str) -> list[list[str]]:
    return [sorted(statement["Action"]) for statement in json.loads(policy)["Statement"]]


def test_hooks_take_what_the_policy_allows() -> None:
    """Doctor names permissions by this table, and calls all of these hooks."""
    assert {name for names in HOOKS.values() for name in names} == {
        action for purpose in PURPOSES["doctor"] for action in CALLS[purpose]
    }
