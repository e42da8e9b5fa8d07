"""What a user has after `pip install`, in an environment with nothing else in it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

import kms_core
from tests.cluster.test_cluster import VECTORS, uri
from tests.packaging.conftest import ROOT, run

PRINT_DEK = """\
import sys, kms_core
uri, dek_id = sys.argv[1:]
with kms_core.open_kms(uri) as kms:
    print(kms.get_dek(dek_id, create=True).hex())
"""


def test_these_tests_run_against_the_wheels(built: Path) -> None:
    """Otherwise src/ would hide what a wheel lacks."""
    assert list(built.glob("*.whl"))
    assert ROOT / "kms-core" not in Path(kms_core.__file__).parents
    assert "site-packages" in Path(kms_core.__file__).parts


def test_kms_backends_shows_the_plugin_and_its_distribution(
    with_cluster: Path, tmp_path: Path
) -> None:
    listed = run(with_cluster / "kms", "backends", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    rows = [" ".join(line.split()) for line in listed.stdout.splitlines()]
    assert f"kms://cluster-kms kms-cluster {metadata.version('kms-cluster')} installed" in rows
    assert f"kms://local kms-core {metadata.version('kms-core')} installed" in rows


@pytest.mark.parametrize("vector", VECTORS)
def test_get_dek_gives_the_published_vectors(
    vector: tuple[bytes, bytes, str, str], with_cluster: Path, tmp_path: Path
) -> None:
    key, salt, dek_id, dek = vector
    command = (with_cluster / "python", "-c", PRINT_DEK, uri(key, salt), dek_id)
    printed = run(*command, folder=tmp_path)
    assert printed.stdout.strip() == dek, printed.stderr


def test_the_command_line_gives_a_published_vector(with_cluster: Path, tmp_path: Path) -> None:
    key, salt, dek_id, dek = VECTORS[0]
    got = run(
        *(with_cluster / "kms", "--kek", uri(key, salt), "dek", "get", "--create", dek_id),
        folder=tmp_path,
    )
    assert got.stdout.strip() == dek, got.stderr


def test_a_fresh_environment_inits_and_gets_the_same_dek_twice(alone: Path, tmp_path: Path) -> None:
    made = run(alone / "kms", "init", "--kek", "local", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    first, second = (
        run(alone / "kms", "dek", "get", "--create", "volume-42", folder=tmp_path) for _ in "12"
    )
    assert first.stdout == second.stdout
    assert len(bytes.fromhex(first.stdout)) == 32


def test_core_alone_says_what_to_install(alone: Path, tmp_path: Path) -> None:
    got = run(alone / "kms", "--kek", uri(), "dek", "get", "--create", "a", folder=tmp_path)
    assert got.returncode != 0
    assert "pip install 'kms-core[cluster]'" in got.stderr
    code = f"import kms_core\nkms_core.open_kms({uri()!r})"
    raised = run(alone / "python", "-c", code, folder=tmp_path)
    assert "BackendNotFoundError" in raised.stderr


def test_the_conformance_kit_says_what_it_needs(alone: Path, tmp_path: Path) -> None:
    imported = run(alone / "python", "-c", "import kms_core.testing", folder=tmp_path)
    assert "pip install 'kms-core[testing]'" in imported.stderr
