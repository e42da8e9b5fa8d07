"""The examples as strangers' plugins: built, installed into empty environments and tested there."""

from __future__ import annotations

import ast
import re
import shutil
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.conftest import ROOT, Install, run
from tests.packaging.debian import found_programs

NOT_GIVEN = {
    # SoftHSM is never away, and has neither a wire nor tokens that end.
    "kms-pkcs11": {"open_unreachable", "open_at", "expire_credentials"},
    # SQLite has neither a wire nor a login, and a table holds nothing else. SQLAlchemy looks
    # whether a connection is well, which is no attempt. PostgreSQL's disk is that of all tests.
    "kms-sql": {
        *("open_missing", "open_at", "plant_name", "expire_credentials"),
        *("attempts", "open_full"),
    },
}
"""What an example does not give the kit's harness."""

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/kms-*/pyproject.toml"))
PUBLIC = ("kms_core", "kms_core.backend", "kms_core.testing")


@pytest.fixture(
    params=[
        pytest.param(path, marks=pytest.mark.rest) if path.name == "kms-pkcs11" else path
        for path in EXAMPLES
    ],
    ids=lambda path: path.name,
    scope="module",
)
def example(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture(scope="module")
def environment(example: Path, install: Install) -> Path:
    """The folder of programs of an environment with the example's wheel and what its tests need."""
    return install("--only-binary=:all:", f"{example.name}[test]")


@pytest.fixture(scope="module")
def programs() -> Iterator[dict[str, str]]:
    with found_programs() as environment:
        yield environment


def read_project(example: Path) -> dict[str, Any]:
    """What the example's pyproject.toml says of itself."""
    project: dict[str, Any] = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    return project


def entry_points(example: Path) -> Iterator[tuple[str, str]]:
    """Each backend's URI, and its module."""
    schemes = {"kms.kek": "kms", "kms.storage": "storage"}
    for group, points in read_project(example)["entry-points"].items():
        for name, target in points.items():
            yield f"{schemes[group]}://{name}", target.partition(":")[0]


def test_the_command_finds_it_and_finds_it_whole(
    example: Path, environment: Path, tmp_path: Path
) -> None:
    listed = run(environment / "kms", "backends", "--check", folder=tmp_path)
    assert listed.returncode == 0, listed.stdout
    rows = [" ".join(line.split()) for line in listed.stdout.splitlines()]
    version = read_project(example)["version"]
    for backend, _ in entry_points(example):
        assert f"{backend} {example.name} {version} ok" in rows


def test_its_tests_pass_on_the_wheel(
    example: Path, environment: Path, programs: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(example / "tests", tmp_path / "tests")
    shutil.copy(example / "pyproject.toml", tmp_path)
    ran = run(environment / "pytest", "-q", folder=tmp_path, **programs)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    skipped = re.findall(r"^SKIPPED .* give the harness (\w+)", ran.stdout, re.MULTILINE)
    assert {*skipped} == NOT_GIVEN[example.name]
    # What is optional is skipped as well.
    others = re.findall(r"^SKIPPED (?!.* give the harness)(.*)$", ran.stdout, re.MULTILINE)
    assert [line for line in others if not re.search("is optional|no URL of http", line)] == []


def test_its_readme_installs_what_its_tests_need(
    example: Path, pip_environment: dict[str, str], tmp_path: Path
) -> None:
    """By the pip that comes with Python, which may be too old for an option of the newest."""
    _, section = (example / "README.md").read_text().split("\n## Test\n")
    [line] = re.findall(r"^```sh\n(.*)\n```$", section, re.MULTILINE)
    assert line.endswith(" && .venv/bin/pytest")
    copy = shutil.copytree(example, tmp_path / "copy", ignore=shutil.ignore_patterns(".*"))
    done = run("sh", "-c", f"{line} --collect-only -q", folder=copy, **pip_environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_backends_have_120_lines_at_most(example: Path) -> None:
    for _, module in entry_points(example):
        path = example / "src" / f"{module.replace('.', '/')}.py"
        assert len(path.read_text().splitlines()) <= 120


def test_it_uses_what_is_public(example: Path) -> None:
    used = {name for path in example.rglob("*.py") for name in names_of_core(path)}
    assert used
    assert used <= {f"{module}.{name}" for module in PUBLIC for name in exported(module)}


def exported(module: str) -> list[str]:
    names: list[str] = import_module(module).__all__
    return names


def names_of_core(path: Path) -> Iterator[str]:
    """Each name of kms-core that the module imports or uses, with its module."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "kms_core":
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.Import():
                for alias in node.names:
                    # Only the package itself, so that what is used of it is found below.
                    if alias.name.partition(".")[0] == "kms_core" and alias.name != "kms_core":
                        yield alias.name
            case ast.Attribute(value=ast.Name(id="kms_core")):
                yield f"kms_core.{node.attr}"
