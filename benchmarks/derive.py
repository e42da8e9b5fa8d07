"""What kms-core itself costs beside bare HKDF of `cryptography`."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import kms_core
from benchmarks.local import make_key_file, open_noop
from benchmarks.rounds import Row, compare, cpu_of, take_turns
from kms_core._plugins.clients import bind
from kms_core.builtin.log import LogObserver

CALLS, DEK_ID, SECRET = 2000, "volume-42", bytes(range(32))
HKDF_NAME = "bare HKDF"


def bare_hkdf() -> bytes:
    """What a cluster KMS cannot do without."""
    return HKDF(SHA256(), 32, SECRET, DEK_ID.encode()).derive(SECRET)


def measure(folder: Path) -> Iterator[Row]:
    """A derived DEK, a cached one, and the façade's share of a stored one."""
    secret = urlsafe_b64encode(SECRET).decode()
    log: Any = bind("observer://log", LogObserver(LogObserver.Config()), "benchmarks")
    cluster = kms_core.open_kms(f"kms://cluster-kms?key={secret}&salt={secret}")
    stored, watched = open_noop(), open_noop(log.hears)
    local = f"kms://local?keyFile={make_key_file(folder / 'derive.toml')}"
    cached = kms_core.open_kms(local, "storage://memory", cache={"ttl": 3600})
    for kms in (stored, watched, cached):
        kms.create_dek(DEK_ID)
    dek = {DEK_ID: bytearray(cached.get_dek(DEK_ID))}
    rounds = {
        HKDF_NAME: cpu_of(bare_hkdf),
        "`kms://cluster-kms`": cpu_of(lambda: cluster.get_dek(DEK_ID)),
        "a DEK in the cache": cpu_of(lambda: cached.get_dek(DEK_ID)),
        "a dict and a copy": cpu_of(lambda: bytes(dek[DEK_ID])),
        "the façade's share of a stored DEK": cpu_of(lambda: stored.get_dek(DEK_ID)),
        "the same with `observer://log`": cpu_of(lambda: watched.get_dek(DEK_ID)),
    }
    aims = {"`kms://cluster-kms`": "≤ 1.7", "a DEK in the cache": "≤ 0.5"}
    costs = take_turns(rounds, CALLS)
    yield from compare("`get_dek` beside bare HKDF", costs, HKDF_NAME, "µs", aims)
