"""What it costs to start: a command of `kms`, and imports. The CPU of whole processes."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import Costs, Round, Row, compare, take_turns
from benchmarks.workers import OURS, Environments

ROUNDS = 9
AESGCM = "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"
EMPTY, ALONE = "`python -c pass`", "importing AESGCM of cryptography"
IMPORTS = {
    "`import kms_core`": (OURS, "import kms_core"),
    "AESGCM of cryptography": (OURS, AESGCM),
    "`import boto3`": ("tink", "import boto3"),
    "tink-py": ("tink", "import tink.aead"),
    "AWS Encryption SDK": ("esdk", "import aws_encryption_sdk"),
    "Confluent's client": (
        "confluent",
        "import confluent_kafka.schema_registry.rules.encryption.encrypt_executor",
    ),
}


def measure(environments: Environments, folder: Path) -> Iterator[Row]:
    """The command line in an environment that has kms-core alone; each import in its own."""
    python = environments.python(OURS)
    kms = str(Path(python).with_name("kms"))
    for command in (["init"], ["dek", "get", "volume-42", "--create"]):
        subprocess.run([kms, *command], cwd=folder, check=True, capture_output=True)
    ways = {
        EMPTY: whole([python, "-c", "pass"], folder),
        ALONE: whole([python, "-c", AESGCM], folder),
        "`kms dek get`": whole([kms, "dek", "get", "volume-42"], folder),
    }
    costs = take_turns(ways, 1, ROUNDS)
    aims = {"`kms dek get`": "≤ 5"}
    yield from compare("Start of the command line", costs, ALONE, "ms", aims)
    yield from compare(
        "Imports, beyond an empty program", _imports(environments, folder), "`import boto3`", "ms"
    )


def whole(command: list[str], folder: Path) -> Round:
    """A round of processes."""

    def run(calls: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(calls):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return run


def _imports(environments: Environments, folder: Path) -> Costs:
    programs = {who: (name, program) for who, (name, program) in IMPORTS.items()}
    programs |= {name: (name, "pass") for name, _ in IMPORTS.values()}
    ways = {
        who: whole([environments.python(name), "-c", program], folder)
        for who, (name, program) in programs.items()
    }
    costs = take_turns(ways, 1, ROUNDS)
    return {
        who: [a - b for a, b in zip(costs[who], costs[name], strict=True)]
        for who, (name, _) in IMPORTS.items()
    }
