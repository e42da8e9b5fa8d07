"""``kill -9`` around each request to a cloud: no DEK is lost, and the next run goes on."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.fakes.gcp.kms_server import Refusal
from tests.fakes.liar import Liar
from tests.life.kills import OPERATIONS, Row, Scene, was_killed
from tests.pairs.test_lies import CLOUDS, VAULT


class Reaper(Liar):
    """Kills a process when its request comes, or when it has been done and not answered."""

    def __init__(self) -> None:
        super().__init__(0)
        self.left = 0
        self.victim: Any = None

    def choose(self, name: str, faults: tuple[Any, ...], forgeries: tuple[Any, ...]) -> Any:
        if self.victim is None:
            return None
        self.left -= 1
        return {1: self.kill_before, 0: self.kill_after}.get(self.left)

    def kill_before(self, *call: Any) -> None:
        self._kill()
        if len(call) > 2:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "its caller is dead")
        call[0].drop()

    def kill_after(self, *call: Any) -> None:
        if len(call) > 2:
            _, request, answer, _ = call
            answer(request)
            self.kill_before(*call)
        call[0].forward()
        self.kill_before(*call)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.victim.pid, signal.SIGKILL)


def rotation(cloud: str, request: pytest.FixtureRequest, kek: dict[str, Any]) -> Any:
    if cloud == "aws":
        moto = request.getfixturevalue("moto")
        return lambda: moto.rotate(kek["keyName"])
    if cloud == "azure":
        vault = request.getfixturevalue("azure").vaults[VAULT]
        return lambda: vault.rotate(kek["keyName"])
    gcp = request.getfixturevalue("gcp")
    return gcp.key(kek["keyName"]).rotate


@pytest.mark.timeout(7200)
@pytest.mark.rest
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp"])
def test_killed_around_each_request(
    cloud: str, operation: str, request: pytest.FixtureRequest, tmp_path: Path, *, long: bool
) -> None:
    reaper, row, left = Reaper(), Row(), 2
    with CLOUDS[cloud](request, reaper) as (pair, _):  # it spoils nothing without a victim
        scene = Scene(operation, pair, rotation(cloud, request, pair[0]), tmp_path)
        while True:
            victim = scene.start(0)
            reaper.left, reaper.victim = left, victim
            killed = was_killed(victim)
            reaper.victim = None
            if not killed:
                break
            scene.look(row)
            left += 1 if long else 7
    assert row.kills
    assert (row.unreadable, row.unfinished) == (0, 0)
    print(f"| `{operation}` | each request, {cloud} | {row.kills} | 0 | 0 |")  # noqa: T201 -- for the docs
