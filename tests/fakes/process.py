"""Servers that others wrote, each a process on a port of the loopback interface."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

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


@contextmanager
def run_server(
    name: str,
    command: Sequence[str],
    *,
    scheme: str = "http",
    settings: Mapping[str, str] | None = None,
    secret: str = "",
) -> Iterator[Server]:
    """Run the command, which serves at port 0, with these settings as its environment.

    So the system chooses a port that is free. The secret goes to its standard input.
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
            port = _port_of(name, process)
            yield Server(name, f"{scheme}://127.0.0.1:{port}", psutil.Process(process.pid))
        finally:
            process.kill()


def _port_of(name: str, process: subprocess.Popen[str]) -> int:
    """Where it listens, once it does; a busy machine takes its time."""
    while process.poll() is None:
        if ports := listening_ports(psutil.Process(process.pid)):
            [port] = ports
            return port
        time.sleep(0.05)
    raise AssertionError(f"{name} ended with status {process.returncode}")
