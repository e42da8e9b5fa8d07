"""What reads and creates of DEKs cost on each cloud, beside the bare SDK and beside peers.

The CPU of the process that asks; servers and workers are processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.rounds import Row, compare, take_turns
from benchmarks.servers import Place, serve_aws, serve_azure, serve_gcp
from benchmarks.workers import Environments, Worker

CALLS = 10
AIMS = {"read": "≤ 1.03", "create": "≤ 1.05"}
CLOUDS: dict[str, tuple[Callable[[Path], AbstractContextManager[Place]], str]] = {
    "AWS": (serve_aws, "boto3"),
    "Azure": (serve_azure, "Azure's SDK"),
    "Google Cloud": (serve_gcp, "Google's SDK"),
}
PEERS = {"tink": "tink-py", "esdk": "AWS Encryption SDK", "confluent": "Confluent's client"}
MIB = 1024  # KiB


class Starter(NamedTuple):
    """Starts workers at one cloud, and notes their versions."""

    environments: Environments
    place: Place
    running: ExitStack
    versions: dict[str, str]

    def start(self, environment: str, module: str, *who: str) -> Worker:
        """A worker that runs until the cloud is left."""
        settings, variables = self.place.settings | {"who": who}, self.place.variables
        started = self.environments.start(environment, module, settings, variables)
        worker = self.running.enter_context(started)
        self.versions.update(worker.versions)
        return worker


def measure(environments: Environments, folder: Path, versions: dict[str, str]) -> Iterator[Row]:
    """Reads, creates and memory of each cloud, and what only AWS has peers for."""
    for name, (serve, bare) in CLOUDS.items():
        module = serve.__name__.removeprefix("serve_")
        with serve(folder) as place, ExitStack() as running:
            start = Starter(environments, place, running, versions).start
            both = start("ours", module, "ours", "by_hand", "as_set_by_us")
            peers = {PEERS[it]: start(it, it) for it in PEERS} if name == "AWS" else {}
            for operation in AIMS:
                yield from _operation(name, bare, operation, both, peers)
            if peers:
                yield from _cold(both, peers)
            yield from _memory(name, bare, partial(start, "ours", module))


def _operation(
    cloud: str, bare: str, operation: str, both: Worker, peers: Mapping[str, Worker]
) -> Iterator[Row]:
    rounds = {
        bare: both.round_of(f"by hand {operation}"),
        "kms-core": both.round_of(f"kms-core {operation}"),
    }
    if peers:
        rounds["boto3 with kms-core's settings"] = both.round_of(f"lean {operation}")
    rounds |= {who: peer.round_of(operation) for who, peer in peers.items()}
    aims = {"kms-core": AIMS[operation]}
    yield from compare(f"{cloud}: {operation}", take_turns(rounds, CALLS), bare, "ms", aims)


def _cold(ours: Worker, peers: Mapping[str, Worker]) -> Iterator[Row]:
    """How many calls the KMS gets when 64 threads ask at once for a DEK that nobody has."""
    question = "AWS: calls of the KMS when 64 threads ask for one cold DEK, with a cache"
    asked = {"kms-core": partial(ours.ask, "kms-core cold")} | {
        who: partial(peer.ask, "cold")
        for who, peer in peers.items()
        if who != PEERS["tink"]  # keeps nothing
    }
    for who, ask in asked.items():
        aim = "≤ 1" if who == "kms-core" else ""
        yield Row(question, who, float(ask()["told"]), "calls", aim=aim)


def _memory(cloud: str, bare: str, start: Callable[[str], Worker]) -> Iterator[Row]:
    """The most memory of a process that opened both clients and read once."""
    theirs, ours = start("by_hand").kib, start("ours").kib
    question = f"{cloud}: memory of a process after one read"
    yield Row(question, bare, theirs / MIB, "MiB", 1.0, bare)
    yield Row(question, "kms-core", ours / MIB, "MiB", ours / theirs, bare)
