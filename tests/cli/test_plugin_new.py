from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module, metadata
from pathlib import Path

import pytest

import kms_core
from kms_core import ConfigError
from kms_core._config.choices import ChosenBackend
from kms_core._plugins.parameters import read_parameters
from kms_core.cli import new_files
from tests.cli.running import Kms, clean_environment

KINDS = ["kek", "storage", "deriver", "observer"]
COMMON = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "pyproject.toml",
    "src/kms_my_vault/__init__.py",
    "src/kms_my_vault/config.py",
    "src/kms_my_vault/py.typed",
    "tests/test_conformance.py",
}
OWN = {
    "kek": {"src/kms_my_vault/kek.py"},
    "storage": {"src/kms_my_vault/storage.py", "src/kms_my_vault/database.py"},
    "deriver": {"src/kms_my_vault/deriver.py"},
    "observer": {"src/kms_my_vault/observer.py"},
}
PROJECT = Path("kms-my-vault")
ONLY_A_SERVICE_HAS: dict[str, set[str]] = {
    "kek": {
        *("rotate", "destroy", "open_missing", "disable"),
        *("open_unreachable", "open_forbidden", "open_at", "expire_credentials"),
    },
    "storage": {
        *("open_unreachable", "open_at", "plant_name", "expire_credentials"),
        "open_full",
    },
    "deriver": {"open_unreachable", "open_forbidden"},
    "observer": {"read_counts"},
}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def write(kms: Kms, kind: str, name: str = "my-vault") -> None:
    assert kms("plugin", "new", name, "--kind", kind).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_a_project_and_lists_it_on_standard_output(kms: Kms, kind: str) -> None:
    done = kms("plugin", "new", "my-vault", "--kind", kind)
    assert done.code == 0
    assert files(PROJECT) == COMMON | OWN[kind]
    assert {*done.output.splitlines()} == {str(PROJECT), *map(str, PROJECT.rglob("*"))}
    assert done.errors.endswith(
        "kms: now try: cd kms-my-vault && python3 -m venv .venv && "
        ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(kms: Kms, kind: str) -> None:
    write(kms, kind)
    for path in map(PROJECT.joinpath, files(PROJECT)):
        text = path.read_text()
        assert "$" not in text.replace("${{ matrix.python }}", "")
        assert text == "" if path.name == "py.typed" else text.endswith("\n")
        if path.suffix == ".py":
            compile(text, path, "exec")


@pytest.mark.parametrize(
    ("kind", "group", "entry_point"),
    [
        ("kek", "kms.kek", "kms_my_vault.kek:MyVaultKek"),
        ("storage", "kms.storage", "kms_my_vault.storage:MyVaultStorage"),
        ("deriver", "kms.kek", "kms_my_vault.deriver:MyVaultDeriver"),
        ("observer", "kms.observer", "kms_my_vault.observer:MyVaultObserver"),
    ],
)
def test_core_finds_the_backend_by_its_name(
    kms: Kms, kind: str, group: str, entry_point: str
) -> None:
    write(kms, kind)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "kms-my-vault"
    assert project["entry-points"] == {group: {"my-vault": entry_point}}


@pytest.mark.parametrize(
    ("version", "bounds"),
    [("0.1.0", ">=0.1.0,<0.2"), ("0.12.3rc1", ">=0.12.3rc1,<0.13"), ("2.4.1", ">=2.4.1,<3")],
)
def test_it_needs_this_version_of_core_or_a_compatible_one(
    kms: Kms, monkeypatch: pytest.MonkeyPatch, version: str, bounds: str
) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: version)
    write(kms, "storage")
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"kms-core{bounds}"]


# A storage has six hooks and statements for them.
@pytest.mark.parametrize(
    ("kind", "most"), [("kek", 60), ("storage", 90), ("deriver", 60), ("observer", 60)]
)
def test_the_backend_is_small(kms: Kms, kind: str, most: int) -> None:
    write(kms, kind)
    lines = (PROJECT / "src/kms_my_vault" / f"{kind}.py").read_text().splitlines()
    assert len(lines) <= most


@pytest.mark.parametrize(
    "kind",
    [*KINDS[:2], *(pytest.param(kind, marks=pytest.mark.rest) for kind in KINDS[2:])],
)
def test_it_passes_the_kit_as_it_comes(kms: Kms, kind: str) -> None:
    write(kms, kind)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=PROJECT,
        env=clean_environment({"PYTHONPATH": "src"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert {*re.findall(r"give the harness (\w+)", done.stdout)} == ONLY_A_SERVICE_HAS[kind]


NOISY = "import warnings\ndef pytest_runtest_setup():\n    warnings.warn('the loop of tomorrow')\n"
OLD = "import warnings\ndef use():\n    warnings.warn('an old call', DeprecationWarning)\n"


def test_only_a_warning_of_its_own_code_is_an_error(kms: Kms) -> None:
    """Not one of an SDK, or of a plugin of pytest that the author has for other tests."""
    write(kms, "observer")
    (PROJECT / "noisy.py").write_text(NOISY)
    (PROJECT / "src/kms_my_vault/old.py").write_text(OLD)
    own = "from kms_my_vault import old\n\n\ndef test_own() -> None:\n    old.use()\n"
    (PROJECT / "tests/test_own.py").write_text(own)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "noisy"],
        cwd=PROJECT,
        env=clean_environment({"PYTHONPATH": f"src{os.pathsep}."}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UserWarning: the loop of tomorrow" in done.stdout
    assert re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE) == [
        "tests/test_own.py::test_own"
    ]


def test_it_writes_from_a_zip_file(tmp_path: Path) -> None:
    """As an application of one file has kms-core."""
    packed, source = tmp_path / "app.zip", Path(kms_core.__file__).parent
    with zipfile.ZipFile(packed, "w") as archive:
        for path in filter(Path.is_file, source.rglob("*")):
            archive.write(path, path.relative_to(source.parent))
    command = "from kms_core.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "plugin", "new", "my-vault", "--kind", "kek"],
        env=clean_environment({"PYTHONPATH": str(packed)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert files(PROJECT) == COMMON | OWN["kek"]


@pytest.mark.parametrize("kind", ["kek", "deriver"])
def test_a_key_that_is_none_is_refused_without_showing_it(
    kms: Kms, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(kms, kind, f"keyed-{kind}")
    monkeypatch.syspath_prepend(Path(f"kms-keyed-{kind}/src").absolute())
    module = import_module(f"kms_keyed_{kind}.config")
    model = getattr(module, f"Keyed{kind.capitalize()}Config")
    others = {"keyName": "one"} if kind == "kek" else {}
    for key in ("A" * 43, "A" * 40, "A" * 43 + "*", "\u00e9" * 43):
        settings = ChosenBackend("kms", "keyed", {"key": key, **others})
        with pytest.raises(ConfigError, match=r"^kms://keyed: key is not .*32 bytes") as refusal:
            read_parameters(model, settings)
        assert key not in str(refusal.value)
    read_parameters(model, ChosenBackend("kms", "keyed", {"key": "A" * 43 + "=", **others}))


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "a.b", "1a", "-a", "a-", "a--b", "a b", "a/b", "\u00e9", "a" * 31]
)
def test_a_name_that_cannot_be_a_backends_is_refused(kms: Kms, name: str) -> None:
    done = kms("plugin", "new", "--kind", "kek", "--", name)
    assert (done.code, done.output) == (2, "")
    assert "a name has 1 to 30 lower-case letters and digits" in done.error
    assert not [*Path().iterdir()]


@pytest.mark.parametrize(
    ("name", "kind", "claimed"),
    [
        ("local", "kek", "kms://local of kms-core"),
        ("local", "deriver", "kms://local of kms-core"),
        ("file", "storage", "storage://file of kms-core"),
        ("log", "observer", "observer://log of kms-core"),
        ("cluster-kms", "kek", "kms://cluster-kms of kms-cluster"),
        ("core", "kek", "kms://local of kms-core"),
        ("cluster", "storage", "kms://cluster-kms of kms-cluster"),
    ],
)
def test_a_name_that_is_taken_is_refused(kms: Kms, name: str, kind: str, claimed: str) -> None:
    done = kms("plugin", "new", name, "--kind", kind)
    assert (done.code, done.output) == (2, "")
    assert done.error == f"the name is taken: there is {claimed}; choose another"
    assert not [*Path().iterdir()]


def test_a_name_of_ours_is_taken_before_it_is_installed(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms_core._plugins.registry.find_backends", list)
    done = kms("plugin", "new", "azure", "--kind", "observer")
    assert done.error == ("the name is taken: there is kms://azure of kms-azure; choose another")


def test_a_name_of_another_kind_is_free(kms: Kms) -> None:
    write(kms, "storage", "local")
    assert "storage://local" in Path("kms-local/README.md").read_text()


def test_it_writes_into_the_folder_that_is_named(kms: Kms) -> None:
    done = kms("plugin", "new", "my-vault", "--kind", "kek", "--folder", "my code")
    assert files(Path("my code")) == COMMON | OWN["kek"]
    assert "now try: cd 'my code' && " in done.errors


@pytest.mark.parametrize("there", ["file", "empty folder", "project", "dangling link"])
def test_it_refuses_to_overwrite_anything(kms: Kms, there: str) -> None:
    if there == "project":
        write(kms, "storage")
    elif there == "empty folder":
        PROJECT.mkdir()
    elif there == "file":
        PROJECT.write_text("mine")
    else:
        PROJECT.symlink_to("elsewhere")
    before = {*Path().rglob("*")}
    done = kms("plugin", "new", "my-vault", "--kind", "kek")
    assert done.code == 2
    assert done.error == (
        "already there, and never overwritten: kms-my-vault; move it away, or use another folder"
    )
    assert {*Path().rglob("*")} == before
    assert there != "file" or PROJECT.read_text() == "mine"


def test_no_folder_no_project(kms: Kms) -> None:
    done = kms("plugin", "new", "my-vault", "--kind", "kek", "--folder", "no/where")
    assert done.code == 1
    assert "no/where: No such file or directory" in done.error


def test_a_write_that_fails_leaves_nothing_behind(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path) -> None:
        assert files(PROJECT) == COMMON | OWN["kek"]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(new_files, "sync_folder", full)
    done = kms("plugin", "new", "my-vault", "--kind", "kek")
    assert (done.code, done.output) == (75, "")  # there may be space later
    assert "No space left on device; free some space" in done.error
    assert not [*Path().iterdir()]


def test_others_may_read_it_as_the_umask_says(kms: Kms) -> None:
    before = os.umask(0o027)
    write(kms, "kek")
    os.umask(before)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in PROJECT.rglob("*")}
    assert modes == {True: 0o750, False: 0o640}
