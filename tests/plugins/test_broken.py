"""What a user sees of a plugin that is broken, missing or claimed twice, one process for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.strangers import (
    CLAIMED_TWICE,
    CONTRACT_BREAKERS,
    FINE,
    OF_ANOTHER_TIME,
    TWIN,
    UNLOADABLE,
    Stranger,
)

BROKEN = [*CONTRACT_BREAKERS, *UNLOADABLE, *OF_ANOTHER_TIME, CLAIMED_TWICE]
Outcomes = dict[str, dict[str, str]]
Probe = Callable[[Path, list[tuple[str, str]]], list[dict[str, str]]]


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, probe: Probe, local_uri: str, file_uri: str
) -> Outcomes:
    """All strangers installed side by side, each opened, and the sound ones last."""
    site = tmp_path_factory.mktemp("site")
    for stranger in (*BROKEN, TWIN, FINE):
        stranger.install(site)
    uris = {s.name: _uris(s, local_uri) for s in (*BROKEN, FINE)}
    uris |= {"local": (local_uri, file_uri), "local-again": (local_uri, file_uri)}
    return dict(zip(uris, probe(site, list(uris.values())), strict=True))


def _uris(stranger: Stranger, local_uri: str) -> tuple[str, str]:
    if stranger.group == "kms.storage":
        return local_uri, f"storage://{stranger.name}"
    return f"kms://{stranger.name}", "storage://memory"


@pytest.mark.parametrize("stranger", BROKEN, ids=lambda s: s.name)
def test_each_fault_has_its_error(stranger: Stranger, outcomes: Outcomes) -> None:
    outcome = outcomes[stranger.name]
    assert outcome["error"] == stranger.error, outcome["message"]
    assert f"{stranger.distribution} 7.0" in outcome["message"]
    for phrase in stranger.says:
        assert phrase in outcome["message"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("raises", "OSError"),
        ("fails-to-open", "RuntimeError"),
        ("misspells", "PluginValidationError"),
    ],
)
def test_the_cause_is_chained(name: str, cause: str, outcomes: Outcomes) -> None:
    assert outcomes[name]["cause"] == cause


def test_one_broken_plugin_breaks_no_other(outcomes: Outcomes) -> None:
    for name in (FINE.name, "local", "local-again"):
        assert outcomes[name]["error"] == "", outcomes[name]
    assert outcomes["local"]["message"] == outcomes["local-again"]["message"]


def test_a_good_stranger_is_good(tmp_path: Path, probe: Probe) -> None:
    """The mistakes are the only difference: what the broken ones are made of works."""
    FINE.install(tmp_path)
    storage = Stranger("fine-store", "", (), group="kms.storage")
    storage.install(tmp_path)
    [outcome] = probe(tmp_path, [("kms://fine", "storage://fine-store")])
    assert outcome["error"] == ""


@pytest.mark.parametrize(
    ("uri", "cure"),
    [
        ("kms://lokal", "did you mean kms://local?"),
        ("kms://nobody-has-this", "install the plugin that provides it"),
    ],
)
def test_what_is_not_installed_is_not_found(
    uri: str, cure: str, tmp_path: Path, probe: Probe
) -> None:
    [outcome] = probe(tmp_path, [(uri, "storage://memory")])
    assert outcome["error"] == "BackendNotFoundError"
    assert uri in outcome["message"]
    assert cure in outcome["message"]
