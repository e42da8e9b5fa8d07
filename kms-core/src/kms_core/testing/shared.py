"""The checks that every backend passes: its class, its closing and its secrecy."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import pytest

from kms_core.config import BackendConfig
from kms_core.errors import ClosedError, KmsError
from kms_core.testing.client import Client, Fresh, answered, expect
from kms_core.testing.leaks import Secret, carried_texts, error_texts, search
from kms_core.tracebacks import clear_locals


class Provoked(NamedTuple):
    """Errors that a backend was made to raise, and the DEKs that it had in hand."""

    errors: Sequence[KmsError]
    deks: Sequence[bytes]


class BackendChecks(ABC):
    """The base of the conformance classes."""

    describe: ClassVar[str]
    """The hook that describes the service and changes nothing."""

    @pytest.fixture
    def secrets(self) -> Sequence[Secret]:
        """What may never be shown: the credentials of the config, each of 8 bytes or more."""
        return ()

    @abstractmethod
    def use(self, client: Client) -> None:
        """Do what the backend is for; no error may come."""

    @abstractmethod
    def provoke(self, fresh: Fresh) -> Provoked:
        """Make the backend raise errors."""

    def test_hookspec_is_kept(self, fresh: Fresh) -> None:
        """Every hook is implemented with all its arguments; ``Config`` is the config's model."""
        model = getattr(fresh().plugin, "Config", None)
        is_model = isinstance(model, type) and issubclass(model, BackendConfig)
        expect("Config: whether it is a subclass of BackendConfig", expected=True, seen=is_model)

    def test_close_twice(self, fresh: Fresh) -> None:
        """``close`` frees what the client holds, without an error. Core lets it happen once."""
        client = fresh()
        self.use(client)
        answered("close", client.close)
        answered("close for a second time", client.close)

    def test_use_after_close(self, fresh: Fresh) -> None:
        """A closed client is closed: core calls no hook after ``close`` has returned None."""
        client = fresh()
        answered("close", client.close)
        client.refuse(ClosedError, self.describe, "after close")

    def test_close_leaves_others_open(self, fresh: Fresh) -> None:
        """``close`` frees nothing that another client of the same service uses."""
        closed, other = fresh(), fresh()
        answered("close", closed.close)
        self.use(other)
        self.use(fresh())

    def test_errors_say_where(self, fresh: Fresh) -> None:
        """Each error names this backend, the hook and the dek_id that was asked for."""
        self.provoke(fresh)  # refuse() looks at each of them

    def test_description_shows_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """``describe_…`` and a client's repr show no credential."""
        client = fresh()
        info = client.answer(self.describe)
        plugin = client.plugin
        texts = [("what it returns", repr(info)), ("the client's repr", f"{plugin!r} {plugin}")]
        search(self.describe, texts, secrets)

    def test_errors_show_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """No message holds key bytes or a credential, the SDK's errors behind it included."""
        errors, deks = self.provoke(fresh)
        for error in errors:
            search(str(error.operation), error_texts(error), [*secrets, *deks])

    def test_errors_carry_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """What leaves core carries no key bytes and no credential for an error reporter to show.

        Core clears the local variables of every frame; an error's attributes it cannot clear.
        """
        errors, deks = self.provoke(fresh)
        for error in errors:
            clear_locals(error)
            search(str(error.operation), carried_texts(error), [*secrets, *deks])

    def test_logs_show_no_secret(
        self,
        fresh: Fresh,
        secrets: Sequence[Secret],
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """No logger at any level, and nothing printed, shows key bytes or a credential."""
        client = fresh()
        caplog.set_level(1)
        for name, logger in list(logging.root.manager.loggerDict.items()):
            caplog.set_level(1, logger=name)
            monkeypatch.setattr(logger, "propagate", True, raising=False)
        self.use(client)
        _, deks = self.provoke(fresh)
        out, err = capsys.readouterr()
        texts = [(f"a record of logger {r.name}", repr(vars(r))) for r in caplog.records]
        texts += [("the log", caplog.text), ("standard output", out), ("standard error", err)]
        search("every hook", texts, [*secrets, *deks])
