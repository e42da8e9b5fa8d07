"""The kit's races of processes put to the proof: each defect is caught, and nothing hangs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kms_core.testing import (
    assert_forks_share_no_connection,
    assert_one_winner,
    new_key_file,
)
from tests.cli.running import install

LOOKS_THEN_WRITES = """\
import os, time
from kms_core import DekExistsError, DekNotFoundError
from kms_core.backend import hookimpl
from kms_core.builtin.file.storage import FileStorage


class Store(FileStorage):
    @hookimpl
    def create_record(self, dek_id, data):
        try:
            stored = self.load_record(dek_id)
        except DekNotFoundError:
            seen = self._folder.parent / f"{dek_id}-{os.getpid()}"
            seen.touch()
            until = time.monotonic() + 60
            while len([*seen.parent.glob(f"{dek_id}-*")]) < 2 and time.monotonic() < until:
                time.sleep(0.01)  # until another one has looked too, however busy the machine is
            try:
                return super().create_record(dek_id, data)
            except DekExistsError:
                stored = self.load_record(dek_id)
                return self.replace_record(dek_id, data, stored.revision)
        raise DekExistsError("it is there")
"""
SHARES_A_FILE = """\
import os, time
from kms_core.backend import StoredRecord, hookimpl
from kms_core.builtin.file.storage import FileStorage


class Store(FileStorage):
    def __init__(self, config):
        super().__init__(config)
        self._asked = os.open(config.path / "asked", os.O_RDWR | os.O_CREAT)

    @hookimpl
    def load_record(self, dek_id):
        os.pwrite(self._asked, dek_id.ljust(255).encode(), 0)
        time.sleep(0.01)
        return super().load_record(os.pread(self._asked, 255, 0).decode().rstrip())
"""


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    (tmp_path / "deks").mkdir()
    return {
        "kek": f"kms://local?keyFile={key_file}",
        "storage": f"storage://file?path={tmp_path}/deks&createFolder=true",
    }


@pytest.fixture
def broken(
    request: pytest.FixtureRequest,
    sources: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """The same, with a storage that a plugin breaks."""
    site = tmp_path / "site"
    name = request.node.name.replace("_", "-").partition("[")[0][-25:].strip("-")
    module = name.replace("-", "_")
    install(
        site,
        name,
        f"[kms.storage]\n{name} = {module}_mod:Store\n",
        **{f"{module}_mod": request.param},
    )
    monkeypatch.syspath_prepend(site)
    return sources | {"storage": f"storage://{name}?path={tmp_path}/deks&createFolder=true"}


@contextmanager
def counted() -> Iterator[list[int]]:
    noted: list[int] = []
    yield noted
    noted.append(len(noted))


def test_each_process_notes_what_it_is_asked_to(sources: dict[str, Any]) -> None:
    around = f"{__name__}:counted"
    noted = assert_one_winner(**sources, processes=3, ids=2, around=around)
    assert noted == [[0]] * 3


@pytest.mark.parametrize("broken", [LOOKS_THEN_WRITES], indirect=True)
def test_two_winners_are_caught(broken: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="create_record by many processes: the DEKs"):
        assert_one_winner(**broken, processes=4, ids=2)


def test_a_process_that_fails_is_told_and_holds_up_nobody(sources: dict[str, Any]) -> None:
    missing = {"backend": "local", "keyFile": "missing.toml"}
    with pytest.raises(AssertionError, match=r"exit code .*: expected 0, saw 1"):
        assert_one_winner(missing, sources["storage"], processes=3, ids=2)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # pytest-xdist has threads
@pytest.mark.parametrize("broken", [SHARES_A_FILE], indirect=True)
def test_a_shared_connection_is_caught(broken: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"after a fork|forked child"):
        assert_forks_share_no_connection(**broken)
