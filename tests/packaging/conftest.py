"""The built distributions, and empty virtual environments to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("KMS_", "PYTHON", "VIRTUAL_ENV"))}
Install = Callable[..., Path]


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = CLEAN | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> Path:
    folder: Path | None = request.config.getoption("built")
    if folder is None:
        pytest.skip("needs the built distributions; run: nox -s packaging")
    return folder.absolute()


@pytest.fixture(scope="session")
def ours(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Constraints for uv: whatever an index has under the names of the wheels is not tested.

    By paths: what uv found in a folder by name and version, it takes from its cache the next time,
    although the folder has a newer build by then.
    """
    ours = tmp_path_factory.mktemp("constraints") / "ours.txt"
    pins = (f"{wheel.name.partition('-')[0]} @ {wheel.as_uri()}\n" for wheel in built.glob("*.whl"))
    ours.write_text("".join(pins))
    return ours


@pytest.fixture(scope="session")
def pip_environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that make `pip install kms-core` install the wheels that are tested.

    By versions: to pip, a path in a constraint would forbid an editable install of the same name.
    """
    ours = tmp_path_factory.mktemp("constraints") / "ours.txt"
    names = (wheel.name.split("-") for wheel in built.glob("*.whl"))
    ours.write_text("".join(f"{name}=={version}\n" for name, version, *_ in names))
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "PIP_FIND_LINKS": str(built),
        "PIP_CONSTRAINT": f"{ours} {ROOT / 'constraints.txt'}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",  # once more than a page says: no warnings about an index of this machine
    }


@pytest.fixture(scope="session")
def install(ours: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Installs what a user would, and returns the environment's folder of programs.

    By uv, which takes a tenth of pip's time; pip itself does what the tutorial and READMEs say.
    """

    def install(*requirements: str) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        uv = (sys.executable, "-m", "uv")
        pip = (*uv, "pip", "install", "-q", "--python", folder)
        pins = ("-c", ours, "-c", ROOT / "constraints.txt")
        made = run(*uv, "venv", "-q", "--python", sys.executable, folder, folder=folder)
        assert made.returncode == 0, made.stderr
        installed = run(*pip, *pins, *requirements, folder=folder)
        assert installed.returncode == 0, installed.stderr
        return folder / "bin"

    return install


@pytest.fixture(scope="session")
def with_cluster(install: Install) -> Path:
    return install("kms-core[cluster]")


@pytest.fixture(scope="session")
def alone(install: Install) -> Path:
    return install("kms-core")
