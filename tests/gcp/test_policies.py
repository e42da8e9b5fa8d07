"""What ``kms permissions gcp`` prints, put into force on servers that enforce it."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest

from kms_core import AccessDeniedError, ConfigError
from kms_core._doctor import stores
from kms_gcp.config import GcpKekConfig
from kms_gcp.permissions import HOOKS, PURPOSES, write_policy
from tests.docs.pages import DOCS
from tests.docs.upkeep import PAGE
from tests.gcp.cloud import PATIENT, Cloud
from tests.mistakes import Setup
from tests.purposes import use


@pytest.fixture
def setups(cloud: Cloud) -> list[Setup]:
    return [
        Setup(
            {"backend": "gcp", **cloud.kek_parameters(cloud.make_key(), **PATIENT)},
            {"backend": "gcp", **cloud.storage_parameters(cloud.make_bucket(), **PATIENT)},
        )
        for _ in range(2)
    ]


def lines(purpose: str) -> list[str]:
    return re.findall(r"^- (.+)$", write_policy(purpose, []), re.MULTILINE)


@pytest.mark.rest
@pytest.mark.parametrize(
    ("purpose", "without"),
    [(purpose, one) for purpose in PURPOSES for one in ["", *PURPOSES[purpose]]],
)
def test_printed_role(
    cloud: Cloud,
    setups: list[Setup],
    monkeypatch: pytest.MonkeyPatch,
    purpose: str,
    without: str,
) -> None:
    """It is enough, and each of its lines is needed."""
    monkeypatch.setattr(stores, "_CLIENTS", 2)
    monkeypatch.setattr(stores, "_ROUNDS", 0)
    with setups[0].open() as kms:
        kms.create_dek("due")
    cloud.kms.keys[cloud.resource(str(setups[0].kek["keyName"]))].rotate()
    account = cloud.accounts.make(*{*lines(purpose)} - {without})
    mine = [setup.but(both={"credentialsPath": str(account.file)}) for setup in setups]
    cloud.accounts.used.clear()
    with ExitStack() as stack:
        if without:
            stack.enter_context(pytest.raises(AccessDeniedError))
        use(purpose, *mine)
    if not without:
        assert cloud.accounts.used == {*PURPOSES[purpose]}


def test_other_forms_are_other_providers() -> None:
    with pytest.raises(ConfigError, match="--as"):
        write_policy("create", [], "bucket-policy")


def test_role_of_what_is_configured() -> None:
    place = {"projectID": "p", "location": "europe-west3", "keyRing": "deks", "keyName": "kek"}
    text = write_policy("get", [GcpKekConfig.from_parameters(place)])
    assert re.findall(r"^- (.+)$", text, re.MULTILINE) == [PURPOSES["get"][0]]


def test_pages_have_what_is_printed() -> None:
    page, upkeep = (DOCS / "providers" / "gcp.md").read_text("utf-8"), PAGE.read_text("utf-8")
    for text, purpose, besides in (
        (page, "create", {"cloudkms.cryptoKeyVersions.get"}),
        (upkeep, "rewrap", set[str]()),
    ):
        roles = re.findall(r"--permissions=(\S+)", text)
        named = {permission for role in roles for permission in role.split(",")}
        assert named == {*PURPOSES[purpose]} | besides


def test_hooks_take_what_the_policy_allows() -> None:
    """Doctor names permissions by this table, and calls all of these hooks."""
    assert {name for names in HOOKS.values() for name in names} == {*PURPOSES["doctor"]} - {
        "storage.buckets.get"
    }
