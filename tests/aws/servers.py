"""Servers that others wrote, each on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import psutil

ACCESS_KEY_ID, ACCESS_KEY = "AKIAIOSFODNN7TESTING", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTINGKEY"
SCRIPTS = Path(sysconfig.get_path("scripts"))


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


@contextmanager
def start_moto(*, calls_without_iam: int | None = None) -> Iterator[Server]:
    """moto, with IAM policies enforced after so many calls."""
    settings = {"MOTO_S3_DEFAULT_MAX_KEYS": "100"}
    if calls_without_iam is not None:
        settings["INITIAL_NO_AUTH_ACTION_COUNT"] = str(calls_without_iam)
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _serve("moto", port, command, settings) as server:
        yield server


@contextmanager
def start_ministack(folder: Path) -> Iterator[Server]:
    """MiniStack's KMS and S3."""
    port = _free_port()
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,kms,sts,iam",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    with _serve("MiniStack", port, [sys.executable, "-m", "ministack"], settings) as server:
        yield server


@contextmanager
def start_rclone(folder: Path) -> Iterator[Server]:
    """rclone's S3 over a folder: a store that ignores conditions."""
    port = _free_port()
    options = f"--addr 127.0.0.1:{port} --vfs-cache-mode off --config {os.devnull}".split()
    options.append(f"--auth-key={ACCESS_KEY_ID},{ACCESS_KEY}")
    command = [str(SCRIPTS / "rclone"), "serve", "s3", *options, str(folder)]
    with _serve("rclone", port, command, {}) as server:
        yield server


@contextmanager
def _serve(
    name: str, port: int, command: Sequence[str], settings: Mapping[str, str]
) -> Iterator[Server]:
    environment = {"PATH": os.environ["PATH"], **settings}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_ready(name, port, process)
            yield Server(name, f"http://127.0.0.1:{port}", psutil.Process(process.pid))
        finally:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(name: str, port: int, process: subprocess.Popen[bytes]) -> None:
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
