"""The examples that are not doctests work as they stand. Sphinx runs the doctests itself."""

import doctest
import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import kms_core
from kms_core._config.choices import ChosenBackend, load_choices
from kms_core._plugins.loader import load_backend
from kms_core._plugins.parameters import known_names, secret_kinds
from tests.docs.pages import DOCS, PAGES, READMES, ROOT, blocks, name, section


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty, with `kms` on the PATH."""
    monkeypatch.chdir(tmp_path)
    scripts = sysconfig.get_path("scripts")
    monkeypatch.setenv("PATH", scripts + os.pathsep + os.environ["PATH"])
    return tmp_path


@pytest.fixture
def initialised(folder: Path) -> Path:
    """The same, after `kms init`."""
    subprocess.run(["kms", "init"], check=True, capture_output=True)
    return folder


def each(kind: str, pages: list[Path]) -> list[ParameterSet]:
    return [
        pytest.param(text, id=f"{name(page)}-{number}")
        for page in pages
        for number, text in enumerate(blocks(page, kind), 1)
    ]


def run(text: str) -> dict[str, bytes]:
    names: dict[str, bytes] = {}
    exec(compile(text, "README.md", "exec"), names)
    return names


@pytest.mark.parametrize("text", each("python", READMES))
@pytest.mark.usefixtures("initialised")
def test_readme_examples_get_a_dek(text: str) -> None:
    assert len(run(text)["dek"]) == 32


@pytest.mark.usefixtures("initialised")
def test_readme_session_prints_what_it_says_and_seals_under_the_stored_dek() -> None:
    [text] = blocks(ROOT / "README.md", "pycon")
    session = doctest.DocTestParser().get_doctest(text, {}, "README.md", None, 0)
    assert doctest.DocTestRunner().run(session, clear_globs=False).failed == 0
    with kms_core.open_kms(config="kms.toml") as kms:
        dek = kms.get_dek("volume-42", create=False)
    sealed = session.globs["sealed"]
    assert AESGCM(dek).decrypt(sealed[:12], sealed[12:], b"volume-42") == b"attack at dawn"


@pytest.mark.usefixtures("folder")
def test_start_shell_session_prints_what_the_page_says() -> None:
    session = "".join(blocks(DOCS / "start.md", "console"))
    steps = [step.partition("\n") for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]]
    script = "".join(f"{command}\necho ===\n" for command, _, _ in steps)
    expected = "".join(f"{output}===\n" for _, _, output in steps)
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == expected


@pytest.mark.parametrize("text", each("toml", PAGES))
def test_config_examples_load(text: str, tmp_path: Path) -> None:
    config = tmp_path / "kms.toml"
    config.write_text(text)
    settings = load_choices(config=config)
    for backend in (*settings.keks, settings.storage, *settings.observers):
        assert backend.parameters.keys() <= known_parameters(backend), backend


def known_parameters(backend: ChosenBackend) -> set[str]:
    plugin, _ = load_backend(backend.scheme, backend.name)
    config = plugin.Config  # type: ignore[attr-defined]  # every backend has one
    return set(known_names(config, secret_kinds(config)))


def test_record_example_has_the_members_of_a_real_one(initialised: Path) -> None:
    text = section(DOCS / "formats.md", "## The record")
    [example] = map(json.loads, re.findall(r'^{"format".*}$', text, re.MULTILINE))
    with kms_core.open_kms(config="kms.toml") as kms:
        kms.get_dek("volume-42", create=True)
    real = json.loads((initialised / "deks/dek-volume-42.json").read_bytes())
    assert list(example) == list(real)
    assert list(example["kek"]) == list(real["kek"])
