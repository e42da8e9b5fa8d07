"""``kms doctor`` on set-ups of this machine, whole and broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes
from typing import Any

import pytest

import kms_core
from kms_core import (
    AccessDeniedError,
    AuthenticationError,
    KekDisabledError,
    KmsError,
    ThrottledError,
    UnavailableError,
)
from kms_core._plugins.clients import KekClient, StorageClient
from kms_core._plugins.prepared import PreparedBackend
from kms_core.backend import Risk
from tests.cli.running import Done, Kms


@pytest.fixture(autouse=True)
def _made(kms: Kms) -> None:
    kms("init")


def rows(done: Done) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(done.output)["rows"]
    return found


def codes(done: Done, outcome: str) -> list[str]:
    return [row["code"] for row in rows(done) if row["outcome"] == outcome]


def records(folder: Path) -> list[Path]:
    return [*(folder / "deks").glob("dek-*")]


def refuse(monkeypatch: pytest.MonkeyPatch, client: type, hook: str, error: KmsError) -> None:
    def call(*arguments: object, **more: object) -> None:
        raise error

    monkeypatch.setattr(client, hook, call)


def test_what_works_has_no_finding_and_leaves_nothing(kms: Kms, folder: Path) -> None:
    done = kms("doctor")
    assert done.code == 0
    lines = done.output.splitlines()
    assert lines[-1] == "get_dek would work; 0 findings"
    assert {line.split()[0] for line in lines[:-1]} == {"ok"}
    assert records(folder) == []


def test_no_configuration(kms: Kms, folder: Path) -> None:
    (folder / "kms.toml").unlink()
    done = kms("doctor", "--json")
    assert (done.code, codes(done, "failed")) == (1, ["CONFIG-WRONG"])


def test_plugin_that_is_not_installed(kms: Kms) -> None:
    done = kms("--kek", "kms://nobody", "--storage", "storage://file?path=deks", "doctor", "--json")
    assert (done.code, codes(done, "failed")) == (1, ["KEK-PLUGIN"])
    assert rows(done)[-2]["outcome"] == "skipped"  # no DEK is asked for


def test_cause_and_cure_stand_below_the_code(kms: Kms, folder: Path) -> None:
    (folder / "kek.toml").unlink()
    done = kms("doctor")
    assert done.code == 1
    assert "cause: key file" in done.output
    assert "kek.toml" in done.output
    assert "cure: " in done.output


def test_secrets_are_shown_nowhere(kms: Kms, folder: Path) -> None:
    done = kms("--config", str(folder / "kms.toml"), "doctor", "--json")
    secret = (folder / "kek.toml").read_text().rpartition(" = ")[2].strip().strip('"')
    assert secret not in done.output + done.errors


def test_deriver(kms: Kms, folder: Path) -> None:
    done = kms("--config", "derives.toml", "init", "--kek", "cluster-kms")
    assert done.code == 0, done.errors
    done = kms("--config", "derives.toml", "doctor", "--json")
    assert (done.code, {row["outcome"] for row in rows(done)}) == (0, {"ok"})
    assert not [row for row in rows(done) if row["backend"].startswith("storage")]
    assert kms("--config", "derives.toml", "doctor", "--quick").code == 0


def test_store_that_each_client_has_alone(kms: Kms) -> None:
    done = kms("--kek", "kms://local?keyFile=kek.toml", "--storage", "storage://memory", *_JSON)
    assert (done.code, codes(done, "failed")) == (1, ["STORE-FORGETS"])


def test_store_that_overwrites(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    create = StorageClient.create_record

    def overwrite(self: StorageClient, dek_id: str, data: bytes) -> str:
        try:
            record = self.load_record(dek_id)
        except KmsError:
            return create(self, dek_id, data)
        return self.replace_record(dek_id, data, record.revision)

    monkeypatch.setattr(StorageClient, "create_record", overwrite)
    done = kms(*_JSON)
    assert (done.code, codes(done, "failed")) == (1, ["STORE-OVERWRITES"])


def test_store_that_looks_first_and_writes_then(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = StorageClient.create_record

    def race(self: StorageClient, dek_id: str, data: bytes) -> str:
        try:
            return create(self, dek_id, data)
        except KmsError:
            record = self.load_record(dek_id)
            if dek_id.endswith("-0"):  # that of the steps before the race
                raise
            return record.revision

    monkeypatch.setattr(StorageClient, "create_record", race)
    done = kms(*_JSON)
    assert (done.code, codes(done, "failed")) == (1, ["STORE-RACES"])
    assert records(folder) == []


def test_store_that_replaces_what_has_changed(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = StorageClient.replace_record

    def forget(self: StorageClient, dek_id: str, data: bytes, revision: str) -> str:
        return replace(self, dek_id, data, self.load_record(dek_id).revision)

    monkeypatch.setattr(StorageClient, "replace_record", forget)
    done = kms(*_JSON)
    assert (done.code, codes(done, "finding")) == (0, ["STORE-STALE"])
    assert records(folder) == []


def test_listing_that_lacks_a_record(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(self: StorageClient, prefix: str) -> Iterator[str]:
        return iter(())

    monkeypatch.setattr(StorageClient, "list_dek_ids", nothing)
    done = kms(*_JSON)
    assert (done.code, codes(done, "finding")) == (0, ["STORE-UNLISTED"])


def test_what_only_upkeep_needs_may_be_forbidden(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hook in ("replace_record", "list_dek_ids", "delete_record"):
        refuse(monkeypatch, StorageClient, hook, AccessDeniedError(f"{hook} on it: no; allow it"))
    done = kms(*_JSON)
    assert done.code == 0
    assert codes(done, "finding") == [*["STORE-LESS"] * 3, "STORE-LEFT"]
    said = {row["step"]: row["text"] for row in rows(done) if row["code"] == "STORE-LESS"}
    assert all(said[step].startswith(f"{step} on it: no; ") for step in said)
    left = records(folder)
    assert all(path.name.startswith("dek-kms-doctor-") for path in left)
    assert f"{len(left)} records" in rows(done)[-1]["text"]


def test_a_service_that_asks_to_slow_down_is_not_down(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, KekClient, "wrap_dek", ThrottledError("busy; try again later"))
    done = kms(*_JSON)
    assert (done.code, codes(done, "finding")) == (0, ["KEK-THROTTLED"])
    assert "would work" not in kms("doctor").output


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (AccessDeniedError("describe: no; allow it"), False),
        (AuthenticationError("who; give credentials"), True),
        (KekDisabledError("it is disabled; enable it"), True),
        (UnavailableError("nobody; look"), True),
    ],
)
def test_description_that_is_refused(
    kms: Kms, monkeypatch: pytest.MonkeyPatch, error: KmsError, *, failed: bool
) -> None:
    refuse(monkeypatch, KekClient, "describe_kek", error)
    done = kms(*_JSON)
    assert done.code == failed
    assert len(codes(done, "failed" if failed else "finding")) == 1


def test_kek_that_only_unwraps(kms: Kms, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    refuse(monkeypatch, KekClient, "wrap_dek", AccessDeniedError("wrap: no; allow it"))
    assert kms(*_JSON).code == 1
    done = kms(*_JSON, KMS_CREATE_DEKS="false")
    assert (done.code, codes(done, "finding")) == (0, ["KEK-DENIED"])
    assert records(folder) == []


def test_readers_write_nothing(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, StorageClient, "replace_record", UnavailableError("written; do not"))
    done = kms(*_JSON, KMS_CREATE_DEKS="false")
    assert (done.code, codes(done, "finding")) == (0, [])
    assert "createDeks=false" in rows(done)[-1]["text"]


def test_interrupt_removes_what_was_made(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: StorageClient, prefix: str) -> Iterator[str]:
        assert records(folder) != []
        raise KeyboardInterrupt

    monkeypatch.setattr(StorageClient, "list_dek_ids", interrupt)
    assert kms("doctor").code == 130
    assert records(folder) == []


def test_quick_makes_one_call_of_each(
    kms: Kms, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    for backend, hook in ((KekClient, "describe_kek"), (StorageClient, "load_record")):
        before = getattr(backend, hook)

        def count(*arguments: Any, _before: Any = before, _hook: str = hook, **more: Any) -> Any:
            heard.append(_hook)
            return _before(*arguments, **more)

        monkeypatch.setattr(backend, hook, count)
    done = kms("doctor", "--quick")
    assert done.code == 0
    assert done.output.endswith("KMS and store answer; get_dek was not tried; 0 findings\n")
    assert len(heard) <= 2
    assert records(folder) == []


def test_quick_tells_what_is_down(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, KekClient, "describe_kek", UnavailableError("nobody; look"))
    done = kms("doctor", "--quick", "--json")
    assert (done.code, codes(done, "failed")) == (1, ["KEK-AWAY"])


_JSON = ("doctor", "--json")


def test_backend_that_knows_its_risks(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    risk = Risk("STORE-SMALL", "it is small", "use a bigger one")
    monkeypatch.setattr(StorageClient, "find_risks", lambda *_: [risk])
    refuse(monkeypatch, KekClient, "find_risks", UnavailableError("nobody; look"))
    done = kms(*_JSON)
    assert (done.code, codes(done, "finding")) == (0, ["STORE-SMALL"])
    assert [row["step"] for row in rows(done) if row["outcome"] == "skipped"] == ["find_risks"]


def test_records_that_nobody_may_read_are_not_called_removed(
    kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = AccessDeniedError("load: no; allow it", maybe_missing=True)
    refuse(monkeypatch, StorageClient, "load_record", hidden)
    done = kms(*_JSON)
    assert (done.code, codes(done, "failed")) == (1, ["STORE-DENIED"])
    assert codes(done, "finding") == ["STORE-DENIED", "STORE-LEFT"]


def test_another_client_that_cannot_be_opened(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = PreparedBackend.open
    names: list[str] = []

    def once(self: PreparedBackend) -> object:
        names.append(self.found.backend)
        if names.count("storage://file") == 2:
            raise UnavailableError("nobody; look")
        return opened(self)

    monkeypatch.setattr(PreparedBackend, "open", once)
    done = kms(*_JSON)
    assert (done.code, codes(done, "failed")) == (1, ["STORE-AWAY"])


def test_one_id_with_two_deks(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a store that gives each client a record of its own."""
    monkeypatch.setattr(kms_core.Kms, "get_dek", lambda *_, **__: token_bytes(32))
    done = kms("doctor", "--json")
    assert done.code == 1
    [row] = [row for row in rows(done) if row["outcome"] == "failed"]
    assert (row["step"], row["text"]) == ("get", "one id has two DEKs")
