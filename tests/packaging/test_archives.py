"""What is in the wheels, which uv builds from the sdists, so that these lack nothing either."""

from __future__ import annotations

import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT

FOLDERS = {
    path.parent.name: path.parent
    for pattern in ("kms-*/pyproject.toml", "examples/kms-*/pyproject.toml")
    for path in ROOT.glob(pattern)
}
DISTRIBUTIONS = sorted(FOLDERS)


def _find(built: Path, distribution: str, ending: str) -> Path:
    [found] = built.glob(f"{distribution.replace('-', '_')}-*{ending}")
    return found


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _metadata(contents: dict[str, bytes]) -> Message:
    [name] = [name for name in contents if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(contents[name])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_wheel_has_types_licence_and_readme(distribution: str, built: Path) -> None:
    contents = _contents(_find(built, distribution, ".whl"))
    [licence] = [name for name in contents if name.endswith("/licenses/LICENSE")]
    assert contents[licence] == (ROOT / "LICENSE").read_bytes()
    assert f"{distribution.replace('-', '_')}/py.typed" in contents
    metadata = _metadata(contents)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    readme = (FOLDERS[distribution] / "README.md").read_text()
    assert str(metadata.get_payload()).strip() == readme.strip()
    assert len(readme) > 200


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_wheel_has_each_file_of_the_source_and_no_other(distribution: str, built: Path) -> None:
    source = FOLDERS[distribution] / "src"
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    expected = {name for name in files if "__pycache__" not in name}
    contents = _contents(_find(built, distribution, ".whl"))
    assert {name for name in contents if ".dist-info/" not in name} == expected


def test_wheel_of_core_has_the_conformance_kit(built: Path) -> None:
    assert "kms_core/testing/__init__.py" in _contents(_find(built, "kms-core", ".whl"))


def test_core_declares_its_extras(built: Path) -> None:
    metadata = _metadata(_contents(_find(built, "kms-core", ".whl")))
    extras = set(metadata.get_all("Provides-Extra", []))
    assert extras == {"aws", "azure", "gcp", "cluster", "all", "dask", "otel", "testing"}
    requirements = metadata.get_all("Requires-Dist", [])
    for extra in ("aws", "azure", "gcp", "cluster"):
        assert f"kms-{extra}; extra == '{extra}'" in requirements
        assert f"kms-{extra}; extra == 'all'" in requirements
