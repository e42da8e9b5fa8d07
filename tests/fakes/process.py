"""Servers that others wrote, each a process on a free port of the loopback interface."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import psutil


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    process: psutil.Process

    def assert_loopback_only(self) -> None:
        """Nothing of the process tree listens where others could reach it."""
        assert listening_ports(self.process, *self.process.children(recursive=True)), self.name


def listening_ports(*processes: psutil.Process) -> set[int]:
    """Where these processes listen, which must be on the loopback interface."""
    open_here = [c.laddr for p in processes for c in p.net_connections() if c.status == "LISTEN"]
    addresses = [ip_address(a.ip.removeprefix("::ffff:")) for a in open_here]  # gRPC maps IPv4
    assert all(address.is_loopback for address in addresses), open_here
    return {address.port for address in open_here}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_server(
    name: str,
    url: str,
    command: Sequence[str],
    *,
    settings: Mapping[str, str] | None = None,
    secret: str = "",
) -> Iterator[Server]:
    """Run the command, which serves at the URL, with these settings as its environment.

    The secret goes to its standard input.
    """
    with subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], **(settings or {})},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(secret)
            process.stdin.close()
            _wait_until_ready(name, url, process)
            yield Server(name, url, psutil.Process(process.pid))
        finally:
            process.kill()


def _wait_until_ready(name: str, url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{name} ended with status {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{name} was not ready in a minute")
