"""All checks of this project: `nox` runs them, `nox -l` lists them, `nox -s NAME` runs one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import nox

HERE = Path(__file__).parent
CONSTRAINTS = "constraints.txt"
DISTRIBUTIONS = sorted(path.parent.name for path in HERE.glob("kms-*/pyproject.toml"))
# Plugins as strangers write them: on their own, with settings of their own.
EXAMPLES = sorted(str(path.parent) for path in HERE.glob("examples/kms-*/pyproject.toml"))
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"
# Tests that have a session of their own, because they need more than the distributions.
PROVIDERS = (
    *("tests/aws", "tests/azure", "tests/gcp", "tests/leaks", "tests/pairs", "tests/torture"),
)
ELSEWHERE = ("tests/packaging", "tests/typing", *PROVIDERS)
TORTURE = [
    *("tests/torture", "tests/life", "tests/races"),
    *(f"tests/pairs/test_{name}.py" for name in ("lies", "kills", "life")),
]
ON_WHEELS = ("tests/core", "tests/cli", "tests/cluster", "tests/conformance", "tests/races")
# All tests on the wheels, and of those about packages what is marked so.
ALSO_REST = ("-m", "", "-k", "rest or not packaging", *ON_WHEELS, "tests/packaging")
# Neighbours share fixtures, such as servers, so each process begins with a run of them; who is done
# takes over from the others. Tests also wait, for programs and for calls that hang: processes
# beyond the cores use that time.
SHARED_OUT = ("-n", str(max(6, os.cpu_count() or 1)), "--dist=worksteal")

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = True
# As pip does, trust this machine's certificates: a company's proxy may sign with its own.
os.environ.setdefault("UV_SYSTEM_CERTS", "1")


def interpreters() -> list[str]:
    """The supported Python versions that this machine really has.

    A name on PATH proves nothing: with pyenv, `python3.12` may be a shim that only says which
    version to activate. So a candidate counts if it runs. One that only pyenv's own folder has
    joins the end of PATH, where nox finds it and where it hides no other program.
    """
    present = []
    for version in SUPPORTED:
        on_path = shutil.which(f"python{version}")
        if version == CURRENT or (on_path and _runs(on_path)):
            present.append(version)
        elif own := next(filter(_runs, _pyenv_candidates(version)), None):
            os.environ["PATH"] += os.pathsep + str(Path(own).parent)
            present.append(version)
    return present


def _pyenv_candidates(version: str) -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return [str(path) for path in root.glob(f"versions/{version}*/bin/python{version}")]


def _runs(python: str) -> bool:
    try:
        return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0  # noqa: S603 -- an interpreter by its path
    except OSError:
        return False


*OTHERS, NEWEST = INTERPRETERS = interpreters()
# By default the newest interpreter stands for all, so that everything is checked in minutes. What
# that leaves out is in `rest`, which .ci/run asks for.
nox.options.sessions = [
    *("lint", "typing", f"tests-{NEWEST}", f"providers-{NEWEST}", "packaging", "docs"),
]


@nox.session(python=INTERPRETERS)
def tests(session: nox.Session) -> None:
    """Run the tests on every supported interpreter that is present."""
    _install(session, "test")
    _pytest(session, *session.posargs)


@nox.session(venv_backend="none")
def rest(session: nox.Session) -> None:
    """Run what the default sessions leave out: other interpreters, wheels, older dependencies."""
    # The one that runs nox runs most of the tests on the wheels, there with those marked `rest`.
    others = [f"tests-{version}" for version in OTHERS if version != CURRENT]
    for name in others:
        session.notify(name)
    session.notify("lowest")
    session.notify("packaging", ALSO_REST)
    session.notify(f"providers-{NEWEST}", ("-m", "rest"))


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests of core with the oldest versions that it says it works with."""
    core = ("--editable=kms-core[testing]", "--editable=kms-cluster")
    names = ("anyio", "hypothesis", "pexpect", "pytest-timeout", "pytest-xdist", "trio", "urllib3")
    tools = [pin for name in names for pin in _pin(name)]
    session.install("--resolution=lowest-direct", *core, *tools)
    folders = (
        *("tests/docs", "tests/races", "tests/torture"),
        "examples/fastapi-service/test_service.py",
    )
    _pytest(session, *(f"--ignore={folder}" for folder in folders), *session.posargs)
    # Last, as these tests are of core alone: what each provider imports has to be there.
    clouds = ("aws", "azure", "gcp")
    session.install(
        *("--upgrade", "--resolution=lowest-direct", *core),
        *(f"--editable=kms-{cloud}" for cloud in clouds),
    )
    modules = [f"kms_{cloud}.{kind}" for cloud in clouds for kind in ("kek", "storage")]
    session.run("python", "-c", f"import {', '.join(modules)}")


@nox.session(python=INTERPRETERS)
def providers(session: nox.Session) -> None:
    """Run the tests of the cloud providers on their servers; `-- --long` runs the long forms."""
    _install(
        session, "test", "servers", "spans", "reports", *(() if shutil.which("npm") else ("node",))
    )
    session.run("pytest", *SHARED_OUT, *session.posargs, *PROVIDERS)


@nox.session
def torture(session: nox.Session) -> None:
    """Spoil 1,000,000 calls while processes are killed, and 100,000 of the three clouds: hours."""
    _install(session, "test", "servers", "spans", *(() if shutil.which("npm") else ("node",)))
    options = [given for given in session.posargs if given.startswith("-")]
    tests = [given for given in session.posargs if not given.startswith("-")] or TORTURE
    faults = () if any(given.startswith("--faults") for given in options) else ("--faults=33334",)
    session.run("pytest", "--long", "-rP", *SHARED_OUT, *faults, *options, *tests)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run the tests that make up their examples, with a hundred times as many of them."""
    _install(session, "test")
    where = ("tests/core", "tests/cluster", "tests/torture")
    session.run("pytest", "--long", "-m", "hypothesis", *SHARED_OUT, *session.posargs, *where)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, import contracts, changelog fragments and workflows."""
    _install(session, "lint")
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache")
    session.run("zizmor", "-q", "--offline", "--strict-collection", "--persona=pedantic", ".github")
    for name in DISTRIBUTIONS:
        session.run("towncrier", "build", "--draft", "--version=next", f"--dir={name}", silent=True)


@nox.session
def typing(session: nox.Session) -> None:
    """Check types: all code, then what the public API promises and refuses."""
    _install(session, "typing", "bench")
    session.run("mypy", *session.posargs)
    session.run("pytest", "tests/typing")
    for folder in EXAMPLES:
        with session.chdir(folder):
            session.run("mypy")


@nox.session
def packaging(session: nox.Session) -> None:
    """Build wheels and sdists, install the wheels, and test them with src/ out of reach."""
    dist = Path(session.create_tmp(), "dist")
    session.install("-c", CONSTRAINTS, *_group("packaging"), "hatchling")
    # By that hatchling: an environment for each build takes longer than the build.
    options = ("--no-build-isolation", f"--python={session.bin}/python", f"--out-dir={dist}")
    for folder in (*DISTRIBUTIONS, *EXAMPLES):
        # The wheel from the sdist: where the one is whole, so is the other.
        session.run("uv", "build", "-q", *options, folder)
    wheels = [
        str(wheel)
        for name in DISTRIBUTIONS
        for wheel in dist.glob(f"{name.replace('-', '_')}-*.whl")
    ]
    session.install("-c", CONSTRAINTS, *wheels)
    what = session.posargs or ["tests/packaging"]
    # Not in a folder of this project: ruff would obey its .gitignore, and check nothing.
    outside = {"TMPDIR": gettempdir()}
    session.run("pytest", *SHARED_OUT, f"--built={dist}", *what, env=outside)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors, and run its examples."""
    _install(session, "docs")
    out = Path(session.create_tmp())
    # What is read for the first is there for the second.
    options = ("-q", "-W", "--keep-going", "--jobs=auto", f"--doctree-dir={out / 'doctrees'}")
    for builder in ("html", "doctest"):
        session.run("sphinx-build", *options, "-b", builder, "docs", str(out / builder))


@nox.session
def release(session: nox.Session) -> None:
    """Prepare a release: `nox -s release -- kms-core 0.2.0` sets version and changelog."""
    session.install("-c", CONSTRAINTS, *_group("release"))
    session.run("python", ".ci/release.py", "prepare", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure kms-core beside its peers, for the docs; `-- cache start` measures only these."""
    node = () if shutil.which("npm") else ("node",)
    _install(session, "bench", *node)
    session.install("--no-deps", "./benchmarks/slow")
    folder = Path(session.create_tmp())
    peers = {name: _group(f"peer-{name}") for name in ("confluent", "esdk", "tink")}
    for name, needed in {"kms-core": ("./kms-core",), **peers}.items():
        python = str(folder / name / "bin" / "python")
        # Compiled, as pip does: or what is imported would be compiled each time.
        pinned = ("--python", python, "-c", CONSTRAINTS, "--compile-bytecode")
        session.run("uv", "venv", "-q", "--clear", "--python", sys.executable, str(folder / name))
        session.run("uv", "pip", "install", "-q", *pinned, *needed)
    session.run("python", "-m", "benchmarks", str(folder), *session.posargs)


@nox.session(venv_backend="none")
def constraints(session: nox.Session) -> None:
    """Write constraints.txt again; `nox -s constraints -- --upgrade` takes newer versions."""
    ours = Path(session.create_tmp(), "ours.txt")
    folders = "".join(f"-e {Path(name).absolute()}\n" for name in DISTRIBUTIONS)
    ours.write_text(f"{folders}kms-core[all,testing]\n", encoding="utf-8")
    session.run(
        *(sys.executable, "-m", "uv", "pip", "compile", "-q", f"--output-file={CONSTRAINTS}"),
        *("--universal", "--python-version", SUPPORTED[0], "--fork-strategy", "fewest"),
        *("--no-annotate", "--custom-compile-command", "nox -s constraints"),
        *(f"--no-emit-package={name}" for name in DISTRIBUTIONS),
        *("--group", "dev", "--group", "peers"),
        *(str(ours), *session.posargs),
    )


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), name)


def _pin(name: str) -> list[str]:
    lines = Path(CONSTRAINTS).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(f"{name}==")]


def _install(session: nox.Session, *groups: str) -> None:
    needed = [requirement for name in groups for requirement in _group(name)]
    editable = [f"--editable={name}" for name in DISTRIBUTIONS]
    session.install("-c", CONSTRAINTS, "--build-constraints", CONSTRAINTS, *editable, *needed)


def _pytest(session: nox.Session, *options: str) -> None:
    session.run("pytest", *SHARED_OUT, *(f"--ignore={folder}" for folder in ELSEWHERE), *options)
