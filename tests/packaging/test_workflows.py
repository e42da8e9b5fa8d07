"""What the workflows are allowed, where zizmor, which lint runs, does not look."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").iterdir())
WRITTEN = ROOT / "kms-core/src/kms_core/cli/scaffold/templates/common/.github/workflows/ci.yml.in"
RELEASE = ROOT / ".github/workflows/release.yml"
DISTRIBUTIONS = sorted(path.parent.name for path in ROOT.glob("kms-*/pyproject.toml"))
PIN = re.compile(r"(?:- )?uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")


def _load(workflow: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(workflow.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_each_action_is_one_commit_and_says_its_tag() -> None:
    lines = "\n".join(path.read_text() for path in [*WORKFLOWS, WRITTEN]).splitlines()
    used = [line.strip() for line in lines if "uses:" in line]
    pins = {match.groups() for line in used if (match := PIN.fullmatch(line))}
    assert [line for line in used if not PIN.fullmatch(line)] == []
    assert len(pins) == len({action for action, _, _ in pins}) > 3


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_no_checkout_leaves_its_token_behind(workflow: Path) -> None:
    steps = [step for job in _load(workflow)["jobs"].values() for step in job["steps"]]
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_only_the_job_that_publishes_may_identify_itself(workflow: Path) -> None:
    loaded = _load(workflow)
    assert loaded["permissions"] in ({}, {"contents": "read"})
    for name, job in loaded["jobs"].items():
        publishes = workflow == RELEASE and name == "publish"
        expected = {"id-token": "write"} if publishes else {"contents": "read"}
        assert job.get("permissions", loaded["permissions"]) == expected
    assert "secrets" not in workflow.read_text()


def test_what_publishes_runs_no_code_of_the_repository() -> None:
    publish = _load(RELEASE)["jobs"]["publish"]
    assert publish["environment"] == "pypi"
    actions = [step.get("uses", "").partition("@")[0] for step in publish["steps"]]
    assert actions == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_tag_of_each_distribution_releases(distribution: str) -> None:
    [pattern] = _load(RELEASE)[True]["push"]["tags"]  # YAML 1.1 reads `on` as true
    assert fnmatchcase(f"{distribution}-v0.2.0", pattern)
    assert not fnmatchcase("v0.2.0", pattern)


def test_what_is_published_is_what_was_tested(built: Path) -> None:
    assert f' "$GITHUB_REF_NAME" {built.relative_to(ROOT)}\n' in RELEASE.read_text()
