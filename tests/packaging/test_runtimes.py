"""Ways to run an installed kms-core that are not a virtual environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cluster.test_cluster import VECTORS, uri
from tests.packaging.conftest import ROOT, run


@pytest.fixture(scope="session")
def layer(ours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a layer of AWS Lambda has it: packages and their metadata, no scripts."""
    folder = tmp_path_factory.mktemp("layer")
    options = ("--target", folder, "-c", ours, "-c", "constraints.txt")
    done = run(
        *(sys.executable, "-m", "uv", "pip", "install", *options, "kms-core[cluster]"),
        folder=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("switches", [(), ("-O",), ("-OO",)], ids=" ".join)
def test_a_folder_on_the_path(layer: Path, tmp_path: Path, switches: tuple[str, ...]) -> None:
    key, salt, dek_id, dek = VECTORS[0]
    code = (
        f"import sys; sys.path.insert(0, {str(layer)!r}); sys.argv[0] = 'kms'\n"
        "import runpy; runpy.run_module('kms_core', run_name='__main__')"
    )
    command = (sys.executable, *switches, "-I", "-S", "-c", code)
    got = run(*command, "--kek", uri(key, salt), "dek", "get", dek_id, folder=tmp_path)
    assert got.stdout.strip() == dek, got.stderr


def test_an_ascii_locale(alone: Path, tmp_path: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    made = run(alone / "kms", "init", "--kek", "local", folder=tmp_path, **plain)
    assert made.returncode == 0, made.stderr
    code = "import kms_core; print(len(kms_core.open_kms(config='kms.toml').create_dek(chr(233))))"
    got = run(alone / "python", "-c", code, folder=tmp_path, **plain)
    assert got.stdout.strip() == "32", got.stderr
