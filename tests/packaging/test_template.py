"""What `kms plugin new` writes passes all that its CI file runs, in an empty environment."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, run

SCHEMES = {"kek": "kms", "storage": "storage", "deriver": "kms", "observer": "observer"}
LATER = ("deriver", "observer")
CHECKS = [
    "pip install -e '.[test]'",
    "ruff check",
    "ruff format --check",
    "mypy",
    "pytest",
    "kms backends --check",
]


class Author:
    """Somebody with an empty environment who makes a plugin of one kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        environment, constraints = str(folder / "environment"), str(ROOT / "constraints.txt")
        self._variables = {
            "PATH": f"{environment}/bin{os.pathsep}{os.defpath}",
            "UV_PYTHON": environment,
            "UV_CONSTRAINT": constraints,
            "UV_BUILD_CONSTRAINT": constraints,
        }
        self.run(f"uv venv -q --python '{sys.executable}' '{environment}'")

    def run(self, line: str, folder: str = ".") -> str:
        """What a line of shell prints; it has to succeed. For pip stands uv, which is faster."""
        line = re.sub(r"^(uv |(?=pip ))", f"'{sys.executable}' -m uv ", line)
        done = run("sh", "-ec", line, folder=self.folder / folder, **self._variables)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(
    scope="module",
    params=["kek", "storage", *(pytest.param(k, marks=pytest.mark.rest) for k in LATER)],
)
def author(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Author:
    author = Author(request.param, tmp_path_factory.mktemp(request.param))
    [core] = built.glob("kms_core-*.whl")
    author.run(f"pip install -q '{core}'")
    author.run(f"kms plugin new acme --kind {author.kind}")
    author.run(CHECKS[0], "kms-acme")
    return author


def test_ci_runs_the_checks(author: Author) -> None:
    workflow = (author.folder / "kms-acme/.github/workflows/ci.yml").read_text()
    assert re.findall(r"\brun: (.+)", workflow) == CHECKS


@pytest.mark.parametrize("check", CHECKS[1:])
def test_it_passes_as_it_comes(author: Author, check: str) -> None:
    printed = author.run(f"{check} 2>&1", "kms-acme")
    assert "warning" not in printed  # such as ruff's, that there is nothing to check
    if check == "kms backends --check":
        backend = f"{SCHEMES[author.kind]}://acme"
        assert re.search(rf"^{backend} +kms-acme 0\.1\.0 +ok$", printed, re.MULTILINE)


def test_what_the_author_adds_passes(author: Author) -> None:
    """A test that asserts, and calls of an SDK that has no types."""
    [site] = (author.folder / "environment").glob("lib/python*/site-packages")
    (site / "untyped_sdk").mkdir()
    (site / "untyped_sdk" / "__init__.py").write_text("def connect(token): return 7\n")
    test = "import untyped_sdk\n\n\ndef test_own() -> None:\n"
    own = author.folder / "kms-acme" / "tests" / "test_own.py"
    own.write_text(f'{test}    assert untyped_sdk.connect(token="secret") == 7\n')
    for check in ("ruff check", "ruff format --check", "mypy", "pytest tests/test_own.py"):
        author.run(check, "kms-acme")
    own.unlink()


def test_its_readme_gets_a_dek(author: Author) -> None:
    readme = (author.folder / "kms-acme/README.md").read_text()
    _, usage, _ = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    printed = author.run(usage)
    [command] = [line for line in usage.splitlines() if line.endswith(" a")]
    dek = author.run(command).strip()
    assert dek in printed
    assert len(bytes.fromhex(dek)) == 32
    assert author.kind != "observer" or '"operation": "get_dek"' in printed


@pytest.mark.parametrize("name", ["a", "abcdefghijklmnopqrstuvwxyz-123"])
def test_lines_have_room_for_any_name(author: Author, name: str) -> None:
    author.run(f"kms plugin new {name} --kind {author.kind}")
    for check in ("ruff check", "ruff format --check"):
        assert "warning" not in author.run(f"{check} 2>&1", f"kms-{name}")
