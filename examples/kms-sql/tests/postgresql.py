"""A PostgreSQL server of these tests alone, in a temporary folder."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

ADMIN, PASSWORD = "postgres", "password-of-the-admin"
_SERVER_USER = "nobody" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
_PATIENCE = ("-t", "600")  # seconds that it has to start or to stop
_SETTINGS = "listen_addresses=127.0.0.1 max_connections=300 unix_socket_directories="


@dataclass(frozen=True)
class PostgreSql:
    """A cluster, started and stopped at will."""

    programs: Path
    data: Path
    port: int

    def url(self, user: str = ADMIN, password: str = PASSWORD) -> str:
        """The URL of its database for this user."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = f"-c port={self.port} -c " + " -c ".join(_SETTINGS.split())
        log = self.data.with_name("log")
        _run(
            self.programs / "pg_ctl",
            "start",
            "-w",
            *_PATIENCE,
            "-D",
            self.data,
            "-l",
            log,
            "-o",
            settings,
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; in mode ``immediate`` as a crash would."""
        _run(self.programs / "pg_ctl", "stop", *_PATIENCE, "-D", self.data, "-m", mode)


@contextmanager
def start_postgresql() -> Iterator[PostgreSql]:
    """Make a cluster, start its server, and leave nothing of them."""
    programs = _find_programs()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if _SERVER_USER:
            shutil.chown(folder, _SERVER_USER)
        data, password = Path(folder, "data"), Path(folder, "password")
        password.write_text(PASSWORD)
        password.chmod(0o644)
        options = ("--no-sync", "-U", ADMIN, "-A", "scram-sha-256", f"--pwfile={password}")
        _run(programs / "initdb", *options, "--encoding=UTF8", "--locale=C", "-D", data)
        server = PostgreSql(programs, data, _free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def _find_programs() -> Path:
    """The folder of the server's programs: on PATH, or the newest of Debian's."""
    initdb = shutil.which("initdb")
    if initdb is not None:
        return Path(initdb).parent
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return max(found, key=lambda path: int(path.parts[-3])).parent
    pytest.fail(
        "these tests need PostgreSQL's server; on Debian: apt-get install postgresql",
        pytrace=False,
    )


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command,
        user=_SERVER_USER,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    """One below those that systems give away: nobody gets it, also not while the server is down."""
    for port in random.sample(range(20_000, 30_000), 1_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    pytest.fail("of a thousand ports none is free")
