"""Servers that others wrote, as these tests start them."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.process import Server, run_server

ACCESS_KEY_ID, ACCESS_KEY = "AKIAIOSFODNN7TESTING", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYTESTINGKEY"
VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
BUILT = Path(__file__).with_name("bin")
SCRIPTS = Path(sysconfig.get_path("scripts"))
_VERSITYGW = (
    *(str(BUILT / "versitygw"), "--port", "127.0.0.1:0"),
    *("--access", ACCESS_KEY_ID, "--secret", ACCESS_KEY),
)


@contextmanager
def start_moto(*, calls_without_iam: int | None = None, key: str = "") -> Iterator[Server]:
    """moto, one request at a time, with IAM policies enforced after so many calls.

    It has the key of KMS whose ARN and material, in base64, are given.
    """
    settings = {"MOTO_S3_DEFAULT_MAX_KEYS": "100"}
    if calls_without_iam is not None:
        settings["INITIAL_NO_AUTH_ACTION_COUNT"] = str(calls_without_iam)
    if key:
        settings["A_KEY_OF_KMS"] = key
    program = str(Path(__file__).with_name("one_at_a_time.py"))
    command = [sys.executable, program, "-H", "127.0.0.1", "-p", "0"]
    with run_server("moto", command, settings=settings) as server:
        yield server


@contextmanager
def start_ministack(folder: Path) -> Iterator[Server]:
    """MiniStack's KMS and S3."""
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": "0",
        "SERVICES": "s3,kms,sts,iam",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    with run_server("MiniStack", [sys.executable, "-m", "ministack"], settings=settings) as server:
        yield server


def build_versitygw() -> None:
    """Build it into ``bin/``, unless it is there."""
    BUILT.mkdir(exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest-xdist has several processes
        if not (BUILT / "versitygw").exists():
            environment = os.environ | {"GOBIN": str(BUILT), "GOFLAGS": "-mod=mod"}
            subprocess.run(["go", "install", VERSITYGW], env=environment, cwd=BUILT, check=True)


@contextmanager
def start_versitygw(folder: Path, region: str, *more: str) -> Iterator[Server]:
    """versitygw over a folder: the strictest store, whose conditions on PUT are atomic."""
    (records := folder / "records").mkdir()
    (versions := folder / "versions").mkdir()
    kept = ["posix", "--versioning-dir", str(versions), str(records)]
    with run_server("versitygw", [*_VERSITYGW, "--region", region, *more, *kept]) as server:
        yield server


@contextmanager
def start_versitygw_with_iam(folder: Path, region: str) -> Iterator[tuple[Server, Server]]:
    """versitygw and its IAM, which has users and enforces their policies.

    The two speak through a socket in a folder of its own, since its path must be short.
    """
    (users := folder / "users").mkdir()
    with tempfile.TemporaryDirectory() as short:
        socket = f"{short}/iam"
        kept = ["--dir", str(users), "--private-ports", socket]
        asks = ["--iam-standalone-endpoint", socket, "--iam-cache-disable"]
        with (
            run_server("IAM of versitygw", [*_VERSITYGW, "iam", *kept]) as iam,
            start_versitygw(folder, region, *asks) as store,
        ):
            yield store, iam


@contextmanager
def start_rclone(folder: Path) -> Iterator[Server]:
    """rclone's S3 over a folder: a store that ignores conditions."""
    options = f"--addr 127.0.0.1:0 --vfs-cache-mode off --config {os.devnull}".split()
    options.append(f"--auth-key={ACCESS_KEY_ID},{ACCESS_KEY}")
    command = [str(SCRIPTS / "rclone"), "serve", "s3", *options, str(folder)]
    with run_server("rclone", command) as server:
        yield server
