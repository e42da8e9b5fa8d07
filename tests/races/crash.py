"""Creates DEKs in a process that is killed at random moments, again and again.

Usage: crash.py CREATES KEK_URI STORAGE_URI. Prints one line "ID DEK" for each DEK that was
returned before its process died, at least CREATES of them; each process returns some forty.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from itertools import count

import kms_core


def create(first: int, output: int, uris: tuple[str, str]) -> None:
    with kms_core.open_kms(*uris) as kms:
        os.write(output, b"\n")
        for number in count(first):
            dek = kms.get_dek(f"id-{number}", create=True)
            os.write(output, f"id-{number} {dek.hex()}\n".encode())


def one_life(first: int, uris: tuple[str, str]) -> list[str]:
    """Let a process create until it is killed; return the whole lines that it printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        create(first, writer, uris)
    os.close(writer)
    with os.fdopen(reader) as lines:
        # Killed by what it has done, so that it does as much on a busy machine.
        _, *done = (lines.readline() for _ in range(random.randint(1, 40)))
        time.sleep(random.uniform(0, 0.002))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return done + [line for line in lines if line.endswith("\n")]


def main(creates: int, uris: tuple[str, str]) -> None:
    kms_core.open_kms(*uris).close()
    printed = 0
    while printed < creates:
        for line in one_life(printed, uris):
            sys.stdout.write(line)
            printed += 1


if __name__ == "__main__":
    main(int(sys.argv[1]), (sys.argv[2], sys.argv[3]))
