"""``kill -9`` at each boundary of a hook: no DEK is lost, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from kms_core.builtin.local.key_file import new_key_file
from tests.core.test_upkeep import rotate
from tests.life.kills import OPERATIONS, Row, Scene, was_killed
from tests.secret_files import write_private


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_each_hook(operation: str, tmp_path: Path, *, long: bool) -> None:
    key_file = write_private(tmp_path / "kek.toml", new_key_file())
    kek = {"backend": "local", "keyFile": str(key_file)}
    storage = {"backend": "file", "path": str(tmp_path / "deks"), "createFolder": True}
    scene = Scene(operation, (kek, storage), lambda: rotate(key_file), tmp_path)
    row, boundary = Row(), 1
    while was_killed(scene.start(boundary)):
        scene.look(row)
        boundary += 1 if long else 5
    assert row.kills >= (8 if long else 2)
    assert (row.unreadable, row.unfinished) == (0, 0)
    print(f"| `{operation}` | each hook, file | {row.kills} | 0 | 0 |")  # noqa: T201 -- for the docs
