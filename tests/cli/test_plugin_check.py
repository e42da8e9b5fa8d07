"""``kms plugin check`` on backends that are sound, broken, or not allowed everything."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
from base64 import urlsafe_b64encode
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import pytest

from tests.cli.running import COMMAND, Done, Kms, install, run_command
from tests.secret_files import write_private

NAMED = "Opens only what this KEK wrapped, whatever name is written on it."
SHARED = """\
import warnings

from kms_core import AccessDeniedError, DekNotFoundError, StorageInfo
from kms_core.backend import hookimpl
from kms_core.builtin.memory import MemoryStorage
from kms_core.backend import BackendConfig, SecretStr

warnings.simplefilter("ignore")
ONLY = MemoryStorage(MemoryStorage.Config())


class Shared(MemoryStorage):
    def __init__(self, config):
        vars(self).update(vars(ONLY))

    def _put(self, dek_id, data):
        return MemoryStorage._put(ONLY, dek_id, data)
"""
FORGETFUL = f"""{SHARED}
    def _check(self, dek_id, revision):
        self._find(dek_id)
"""
WITHOUT_DELETE = f"""{SHARED}
    @hookimpl
    def delete_record(self, dek_id, revision):
        raise AccessDeniedError("allow store:Delete")

    @hookimpl
    def list_dek_ids(self, prefix):
        raise AccessDeniedError("allow store:List")
"""
HIDES_WHAT_IS_MISSING = f"""{SHARED}
    @hookimpl
    def load_record(self, dek_id):
        try:
            return super().load_record(dek_id)
        except DekNotFoundError:
            raise AccessDeniedError("allow store:List", maybe_missing=True) from None
"""
WITHOUT_CREATE = f"""{SHARED}
    @hookimpl
    def create_record(self, dek_id, data):
        raise AccessDeniedError("allow store:Create")
"""


LOOKS_THEN_WRITES = """\
import time
from kms_core import DekExistsError, DekNotFoundError
from kms_core.backend import hookimpl
from kms_core.builtin.file.storage import FileStorage


class Shared(FileStorage):
    @hookimpl
    def create_record(self, dek_id, data):
        try:
            self.load_record(dek_id)
        except DekNotFoundError:
            time.sleep(0.001)
            try:
                return super().create_record(dek_id, data)
            except DekExistsError:
                stored = self.load_record(dek_id)
                return self.replace_record(dek_id, data, stored.revision)
        raise DekExistsError("it is there")
"""
MAY_NOTHING = f"""{SHARED}
    @hookimpl
    def load_record(self, dek_id):
        raise AccessDeniedError("allow store:Read")
"""
MAY_NOT_WRAP = """\
from kms_core import AccessDeniedError
from kms_core.backend import hookimpl
from kms_core.builtin.local.kek import LocalKek


class Shared(LocalKek):
    @hookimpl
    def wrap_dek(self, dek, context):
        raise AccessDeniedError("allow kms:Wrap")
"""
SHOWS_ITS_TOKEN = f"""{SHARED}
    class Config(BackendConfig):
        token: SecretStr

    def __init__(self, config):
        vars(self).update(vars(ONLY), token=config.token.get_secret_value())

    @hookimpl
    def describe_storage(self):
        return StorageInfo(f"https://{{self.token}}@store")
"""


INTERRUPTED = """\
import os
import signal
from kms_core.backend import hookimpl
from kms_core.builtin.file.storage import FileStorage


class Shared(FileStorage):
    @hookimpl
    def create_record(self, dek_id, data):
        with open("created", "a") as created:
            created.write(f"{dek_id}\\n")
        if dek_id.endswith("page/0007"):
            os.kill(os.getpid(), signal.SIGINT)
        return super().create_record(dek_id, data)
"""
INTERRUPTED_TWICE = f"""{INTERRUPTED}
    @hookimpl
    def load_record(self, dek_id):
        if not os.path.exists("interrupted"):  # at the end it is loaded to be removed
            open("interrupted", "x").close()
            for _ in "12":
                os.kill(os.getpid(), signal.SIGINT)
            open("went-on", "x").close()
        return super().load_record(dek_id)
"""


COUNTS_CLIENTS = f"""{SHARED}
    def __init__(self, config):
        vars(self).update(vars(ONLY))
        self.note("opened")

    @hookimpl
    def close(self):
        self.note("closed")

    def note(self, what):
        with open("clients", "a") as clients:
            clients.write(f"{{what}}\\n")
"""


def check(
    site: Path,
    source: str,
    *query_and_options: str,
    group: str = "storage",
    **environment: str,
) -> Done:
    entry_points = f"[kms.{group}]\nstranger = stranger_mod:Shared\n"
    install(site, "stranger", entry_points, stranger_mod=source)
    query, *options = query_and_options or [""]
    uri = f"{'kms' if group == 'kek' else group}://stranger{query}"
    return run_command("plugin", "check", uri, *options, PYTHONPATH=str(site), **environment)


def row(done: Done, hook: str, clause: str) -> str:
    """What the table says of a clause: its outcome, and what stands below."""
    lines = done.output.splitlines()
    [start] = [n for n, line in enumerate(lines) if f" {hook} " in line and line.endswith(clause)]
    below = takewhile(lambda line: line.startswith(" " * 11), lines[start + 1 :])
    return "\n".join([lines[start].split()[0], *map(str.strip, below)])


@pytest.fixture
def two_keks(kms: Kms, folder: Path) -> tuple[str, str]:
    for name in ("one", "two"):
        (folder / name).mkdir()
        assert kms("--config", f"{name}/kms.toml", "init").code == 0
    return "kms://local?keyFile=one/kek.toml", "kms://local?keyFile=two/kek.toml"


def test_a_kek(two_keks: tuple[str, str]) -> None:
    done = run_command("plugin", "check", two_keks[0], "--other", two_keks[1])
    assert done.code == 0, done.errors
    assert done.errors == "checking kms://local\n"
    assert done.output.splitlines()[0] == "kms://local"
    assert row(done, "wrap_dek", "Under any other context unwrap_dek fails.") == "passed"
    assert row(done, "unwrap_dek", NAMED) == "passed"
    skipped = row(done, "wrap_dek", "what an older one wrapped unwraps.")
    assert skipped == (
        "skipped\ngive the harness rotate to check this clause; "
        "it adds a new version to the KEK, as its admin would."
    )
    assert "--other" not in done.output


@pytest.mark.rest
def test_a_kek_alone(two_keks: tuple[str, str]) -> None:
    done = run_command("plugin", "check", two_keks[0])
    assert done.code == 0
    skipped = row(done, "unwrap_dek", NAMED)
    assert skipped.startswith("skipped\nname another KEK of this provider by --other")


def test_a_deriver_with_its_secret_in_the_environment() -> None:
    secret = "c2VjcmV0LW9mLXRoaXMtdGVzdC1vbmx5LTMyLWJ5dGU="
    environment = {"KMS_KEK_CLUSTER_KMS_KEY": secret, "KMS_KEK_CLUSTER_KMS_SALT": secret}
    done = run_command("plugin", "check", "kms://cluster-kms", **environment)
    assert done.code == 0, done.errors
    assert secret not in done.output + done.errors


@pytest.mark.rest
def test_two_derivers(folder: Path) -> None:
    for name in ("one", "two", "salt"):
        write_private(folder / name, urlsafe_b64encode(name.encode() * 16).decode())
    uris = [f"kms://cluster-kms?keyFile={name}&saltFile=salt" for name in ("one", "two")]
    done = run_command("plugin", "check", uris[0], "--other", uris[1])
    assert done.code == 0, done.output + done.errors
    assert row(done, "derive_dek", "Another secret gives other bytes.") == "passed"


def test_a_terminal_shows_progress() -> None:
    terminal, its_end = os.openpty()
    command = [str(COMMAND), "plugin", "check", "observer://log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its_end) as running:
        os.close(its_end)
        shown = b""
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while more := os.read(terminal, 4096):
                shown += more
    os.close(terminal)
    assert running.returncode == 0
    steps = re.findall(r"checking observer://log +\[.*?\] +(\d+)%", shown.decode())
    assert len(set(steps)) > 5
    assert steps[-1] == "100"


def test_an_observer() -> None:
    done = run_command("plugin", "check", "observer://log")
    assert (done.code, row(done, "observe", "Takes every dek_id.")) == (0, "passed")


@pytest.mark.rest
def test_a_store_in_use_is_left_as_it_was(kms: Kms, folder: Path) -> None:
    kms("init")
    dek = kms("dek", "get", "--create", "id").output
    done = run_command("plugin", "check", "storage://file?path=deks", "--pages")
    assert (done.code, done.errors) == (0, "checking storage://file\n"), done.output
    assert row(done, "list_dek_ids", "beyond the first page, and while records go.") == "passed"
    assert kms("dek", "list").output == "id\n"
    assert kms("dek", "get", "id").output == dek
    files = {path.name for path in (folder / "deks").rglob("*") if path.is_file()}
    assert files == {"dek-id.json"}


def test_a_store_is_not_flooded_unasked() -> None:
    done = run_command("plugin", "check", "storage://file?path=.")
    assert done.code == 0, done.errors
    skipped = row(done, "list_dek_ids", "beyond the first page, and while records go.")
    assert skipped.startswith("skipped\ngive --pages")


@pytest.mark.rest
def test_an_interrupted_check_ends_first_and_removes_what_it_created(
    tmp_path: Path, folder: Path
) -> None:
    done = check(tmp_path, INTERRUPTED, "?path=.", "--pages")
    assert (done.code, done.output) == (130, "")
    assert "kms: stopping after the check under way; press Ctrl-C again" in done.errors
    created = (folder / "created").read_text().splitlines()
    assert len([dek_id for dek_id in created if re.search(r"-page/\d{4}", dek_id)]) == 1005
    assert created[-1].endswith("other")  # the last of this check
    assert records(folder) == []


def test_who_interrupts_twice_does_not_wait(tmp_path: Path, folder: Path) -> None:
    done = check(tmp_path, INTERRUPTED_TWICE, "?path=.")
    assert (done.code, done.output) == (130, "")
    assert (folder / "interrupted").exists()
    assert not (folder / "went-on").exists()
    assert records(folder) == []


def test_all_is_as_before_when_the_check_has_ended(kms: Kms) -> None:
    before = state_of_this_process()
    assert kms("plugin", "check", "observer://log").code == 0
    assert state_of_this_process() == before


def state_of_this_process() -> tuple[object, ...]:
    gc.collect()  # or a descriptor that an earlier test left is closed while this one looks
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    return signal.getsignal(signal.SIGINT), {*Path("/proc/self/fd").iterdir()}, environment


def records(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("dek-*") if path.is_file()]


def test_a_broken_clause_is_told_with_what_was_seen(tmp_path: Path) -> None:
    done = check(tmp_path, FORGETFUL)
    assert done.code == 3
    assert re.search("^what get_dek needs: [0-9]+ passed, ", done.output, re.MULTILINE)
    assert re.search(", delete, list and health need: [0-9]+ failed, ", done.output)
    outcome, seen, cure, documented = row(
        done, "replace_record", "Raises ConflictError at another revision, and changes nothing."
    ).splitlines()
    assert outcome == "FAILED"
    assert seen.startswith("replace_record at a stale revision: expected ConflictError, saw")
    assert cure.startswith("what to do: send the revision as a condition of the request")
    assert documented == (
        "documented in kms_core.backend.hookspecs.StorageSpec.replace_record "
        "(docs/hooks.md#storagespecreplace_record)"
    )


@pytest.mark.rest
def test_a_store_that_looks_first_and_then_writes_is_seen(tmp_path: Path) -> None:
    done = check(tmp_path, LOOKS_THEN_WRITES, "?path=.")
    assert done.code == 1
    assert row(done, "create_record", "succeeds, and its data is stored.").startswith("FAILED")


def test_a_secret_of_the_config_is_looked_for_and_not_told(tmp_path: Path) -> None:
    token = "token-of-this-test"
    done = check(tmp_path, SHOWS_ITS_TOKEN, KMS_STORAGE_STRANGER_TOKEN=token)
    assert done.code == 1
    said = row(done, "every", "a client's repr show no credential.")
    assert said.startswith("FAILED\ndescribe_storage: expected no key bytes and no credential")
    assert token not in done.output + done.errors


def test_what_get_dek_does_without_need_not_be_allowed(tmp_path: Path) -> None:
    done = check(tmp_path, WITHOUT_DELETE)
    assert done.code == 0, done.output
    skipped = row(done, "delete_record", "Deletes the record that is there: one client succeeds.")
    assert skipped.startswith("skipped\nnot allowed: storage://under-test: delete_record")
    assert "allow store:Delete" in skipped
    assert row(done, "create_record", "exactly one succeeds, and its data is stored.") == "passed"
    warnings = done.errors.splitlines()[1:]
    assert warnings
    for warning in warnings:
        assert warning.startswith("kms: warning: ")
        assert "records of kms-check-" in warning
        assert re.search("removed: 'kms-check-.*?': allow store:Delete", warning)
    assert any(warning.endswith(" more") for warning in warnings)


def test_all_clients_are_closed(tmp_path: Path, folder: Path) -> None:
    done = check(tmp_path, COUNTS_CLIENTS)
    assert done.code == 0, done.output
    noted = (folder / "clients").read_text().splitlines()
    assert noted.count("opened") == noted.count("closed") > 30


@pytest.mark.rest
def test_what_is_missing_may_be_hidden(tmp_path: Path) -> None:
    done = check(tmp_path, HIDES_WHAT_IS_MISSING)
    assert (done.code, done.errors) == (0, "checking storage://stranger\n"), done.output
    skipped = row(done, "load_record", "Raises DekNotFoundError.")
    assert skipped.startswith("skipped\nnot allowed: storage://under-test: load_record")


def test_credentials_that_may_not_even_read_are_one_line(tmp_path: Path) -> None:
    done = check(tmp_path, MAY_NOTHING)
    assert (done.code, done.output) == (1, "")
    [line] = done.errors.splitlines()
    assert line.startswith("kms: error: storage://stranger: load_record of DEK 'kms-check-")
    assert line.endswith(": allow store:Read")


def test_credentials_that_may_not_wrap_are_one_line(
    tmp_path: Path, two_keks: tuple[str, str]
) -> None:
    query = "?" + two_keks[0].partition("?")[2]
    done = check(tmp_path, MAY_NOT_WRAP, query, group="kek")
    assert (done.code, done.output) == (1, "")
    [line] = done.errors.splitlines()
    assert line.endswith("wrap_dek of DEK 'kms-check': allow kms:Wrap")


@pytest.mark.rest
def test_what_get_dek_needs_must_be_allowed(tmp_path: Path) -> None:
    done = check(tmp_path, WITHOUT_CREATE)
    assert done.code == 1
    assert "allow store:Create" in row(done, "create_record", "sees the record whole, at once.")


@pytest.mark.parametrize(
    ("uri", "code", "says"),
    [
        ("ftp://acme", 2, "is one of kms, storage, observer"),
        ("kms://not-there", 2, "no installed distribution provides kms://not-there"),
        ("storage://file?paht=deks", 2, "did you mean 'path'"),
        ("kms://local?keyFile=missing.toml", 1, "kms://local: open: "),
    ],
)
def test_what_cannot_be_checked(uri: str, code: int, says: str, kms: Kms) -> None:
    done = kms("plugin", "check", uri)
    assert (done.code, done.output) == (code, "")
    assert says in done.error


def test_without_pytest(tmp_path: Path, two_keks: tuple[str, str]) -> None:
    (tmp_path / "pytest.py").write_text("raise ModuleNotFoundError('no pytest', name='pytest')\n")
    done = run_command("plugin", "check", two_keks[0], PYTHONPATH=str(tmp_path))
    assert done.code == 2
    assert "pip install 'kms-core[testing]'" in done.error


def test_the_users_own_pytest_options_and_plugins_change_nothing(tmp_path: Path) -> None:
    install(tmp_path, "nasty", "[pytest11]\nnasty = nasty_mod\n", nasty_mod="raise SystemExit(3)\n")
    environment = {"PYTEST_ADDOPTS": "--no-such-option", "PYTHONPATH": str(tmp_path)}
    done = run_command("plugin", "check", "observer://log", **environment)
    assert done.code == 0, done.errors


def test_a_run_that_breaks_is_no_success(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "kms_core.cli.plugin_check._Progress.pytest_runtest_logfinish", lambda _: 1 / 0
    )
    done = kms("plugin", "check", "observer://log")
    assert (done.code, done.output) == (1, "")
    assert "unexpected RuntimeError" in done.errors
