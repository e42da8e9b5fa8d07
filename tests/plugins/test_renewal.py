"""Credentials that were renewed: the backend is opened again, once, with what is there now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import kms_core
from kms_core._config.choices import ChosenBackend
from kms_core._plugins.clients import StorageClient
from kms_core._plugins.loader import load_backend
from kms_core._plugins.prepared import prepare
from kms_core.backend import BackendConfig, SecretStr, StoredRecord, hookimpl
from kms_core.builtin.memory import MemoryStorage


@dataclass
class Service:
    """Accepts one token."""

    token: str = "first"
    opened: list[str] = field(default_factory=list)


SERVICE = Service()


class Tokens(MemoryStorage):
    """Reads its token when it is opened."""

    class Config(BackendConfig):
        token: SecretStr

    def __init__(self, config: Config) -> None:
        super().__init__(MemoryStorage.Config())
        self._token = config.token.get_secret_value()
        SERVICE.opened.append(self._token)

    @hookimpl
    def load_record(self, dek_id: str) -> StoredRecord:
        if self._token != SERVICE.token:
            raise kms_core.AuthenticationError("the token is not accepted; get a new one")
        return super().load_record(dek_id)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text("first\n")
    return path


@pytest.fixture
def storage(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> StorageClient:
    SERVICE.token, SERVICE.opened = "first", []
    _, found = load_backend("storage", "memory")
    monkeypatch.setattr("kms_core._plugins.prepared.load_backend", lambda *_: (Tokens, found))
    chosen = ChosenBackend("storage", "memory", {"tokenFile": str(token_file)})
    client = prepare(chosen).open()
    assert isinstance(client, StorageClient)
    return client


def test_a_renewed_file_is_read_again(storage: StorageClient, token_file: Path) -> None:
    SERVICE.token = "second"
    token_file.write_text("second\n")
    with pytest.raises(kms_core.DekNotFoundError):
        storage.load_record("a")
    assert SERVICE.opened == ["first", "second"]


def test_credentials_that_were_not_renewed(storage: StorageClient) -> None:
    SERVICE.token = "second"
    with pytest.raises(kms_core.AuthenticationError, match="get a new one"):
        storage.load_record("a")
    assert SERVICE.opened == ["first", "first"], "tried again once"


def test_a_file_that_is_gone_by_then(storage: StorageClient, token_file: Path) -> None:
    SERVICE.token = "second"
    token_file.unlink()
    with pytest.raises(kms_core.ConfigError, match="tokenFile"):
        storage.load_record("a")


def test_whoever_comes_first_opens_it_for_all(storage: StorageClient, token_file: Path) -> None:
    stale = storage._hooks.load_record
    SERVICE.token = "second"
    token_file.write_text("second")
    for _ in range(3):
        assert storage.renew(stale, "load_record")
    assert SERVICE.opened == ["first", "second"]
