"""The checks that every backend passes: its class, its closing and its secrecy."""

from __future__ import annotations

import gc
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ClassVar, NamedTuple

import pytest

from kms_core.backend.hookspecs import BackendSpec
from kms_core.backend.parameters import BackendConfig
from kms_core.errors import ClosedError, KmsError
from kms_core.testing._harness.clauses import clause
from kms_core.testing._harness.client import Client, Fresh, Scheme, answered, clients, expect
from kms_core.testing._harness.leaks import Secret, search
from kms_core.testing._harness.object_graph import walk
from kms_core.testing._harness.threads import threads_begun
from kms_core.testing._harness.traces import traces

_DESCRIPTORS = Path("/dev/fd")


class Provoked(NamedTuple):
    """Errors that a backend was made to raise, and the DEKs that it had in hand."""

    errors: Sequence[KmsError]
    deks: Sequence[bytes]


class BackendChecks(ABC):
    """The base of the conformance classes."""

    scheme: ClassVar[Scheme]
    """The scheme of the backend's URI."""

    harness_type: ClassVar[type]
    """What the fixture ``harness`` returns."""

    close_patience: ClassVar[float] = 60
    """After how many seconds what a client has closed is so, on a busy machine too."""

    harmless: ClassVar[tuple[str, Mapping[str, Any]]]
    """A hook that changes nothing in the service, and its arguments."""

    @pytest.fixture
    def harness(self) -> Any:
        """How to open the backend: the author of one defines it."""
        kind = self.harness_type.__name__
        raise NotImplementedError(f"define the fixture harness: it returns a {kind}")

    @pytest.fixture
    def secrets(self, harness: Any) -> Sequence[Secret]:
        """What may never be shown."""
        secrets: Sequence[Secret] = harness.secrets
        return secrets

    @pytest.fixture
    def fresh(self, harness: Any) -> Iterator[Fresh]:
        """Opens and binds the backend."""
        with clients(harness.open, self.scheme) as fresh:
            yield fresh

    @abstractmethod
    def use(self, client: Client) -> None:
        """Do what the backend is for; no error may come."""

    @abstractmethod
    def provoke(self, fresh: Fresh) -> Provoked:
        """Make the backend raise errors."""

    @clause(BackendSpec)
    def test_hookspec_is_kept(self, fresh: Fresh) -> None:
        """Every hook is implemented with all its arguments; ``Config`` is the config's model.

        Cure: mark each hook with ``@hookimpl``, take all arguments by their names, and make
        ``Config`` a subclass of BackendConfig.
        """
        model = getattr(fresh().plugin, "Config", None)
        is_model = isinstance(model, type) and issubclass(model, BackendConfig)
        expect("Config: whether it is a subclass of BackendConfig", expected=True, seen=is_model)

    @clause(BackendSpec.close)
    def test_close_twice(self, fresh: Fresh) -> None:
        """Frees what the client holds, without an error. Core lets it happen once.

        Cure: let ``close`` free what is held, return nothing, and pass over what is closed
        already.
        """
        client = fresh()
        self.use(client)
        answered("close", client.close)
        answered("close for a second time", client.close)

    @clause(BackendSpec.close)
    def test_use_after_close(self, fresh: Fresh) -> None:
        """A closed client is closed: core calls no hook after ``close`` has returned None.

        Cure: let ``close`` return None; core refuses calls from then on.
        """
        client = fresh()
        answered("close", client.close)
        hook, arguments = self.harmless
        client.refuse(ClosedError, hook, "after close", **arguments)

    @clause(BackendSpec.close)
    def test_close_frees_all(self, fresh: Fresh) -> None:
        """Ends the client's connections and closes its files: core closes and opens a client again
        whose login is over.

        Cure: close the client of your SDK with its pool of connections, and what else you opened.
        """
        if not _DESCRIPTORS.is_dir():
            pytest.skip("this system does not show what a process has open")
        with ThreadPoolExecutor(1) as another:  # a program closes it in any of its threads
            for _ in range(2):  # the first one opens what an SDK keeps once for all of them
                before, client = _open_descriptors(), fresh()
                self.use(client)
                another.submit(self.use, client).result()
                client.close()
            gc.collect()  # the traceback of an error, in a cycle with it, may hold a connection
            until = monotonic() + self.close_patience
            while (left := len(_open_descriptors() - before)) and monotonic() < until:
                sleep(0.01)
        expect("close: how many connections and files stay open", 0, left)

    @clause(BackendSpec.close)
    def test_close_ends_threads(self, fresh: Fresh) -> None:
        """Ends the threads that the client began: core closes and opens a client again whose login
        is over.

        Cure: tell each thread of yours to end, and wait for it; what a library keeps for the whole
        process it begins once.
        """
        for _ in range(2):  # with the first one begins what an SDK keeps once for all of them
            with threads_begun() as begun:
                client = fresh()
                self.use(client)
                client.close()
        until = monotonic() + self.close_patience
        while (left := [t.name for t in begun if t.is_alive()]) and monotonic() < until:
            sleep(0.01)
        expect("close: the threads that run on", [], left)

    @clause(BackendSpec.close)
    def test_close_leaves_others_open(self, fresh: Fresh) -> None:
        """Frees nothing that another client of the same service uses.

        Cure: give each client what it closes; share nothing at the level of the module or
        the class.
        """
        closed, other = fresh(), fresh()
        answered("close", closed.close)
        self.use(other)
        self.use(fresh())

    @clause(BackendSpec)
    def test_description_shows_no_secret(self, fresh: Fresh, secrets: Sequence[Secret]) -> None:
        """``describe_…`` and a client's repr show no credential.

        Cure: keep credentials out of what describes the client: hold them as SecretStr, and
        define ``__repr__``.
        """
        client = fresh()
        hook, arguments = self.harmless
        answer = client.answer(hook, **arguments)
        plugin = client.plugin
        texts = [("what it returns", repr(answer)), ("the client's repr", f"{plugin!r} {plugin}")]
        configs = (value for _, value in walk(plugin, "") if isinstance(value, BackendConfig))
        texts += [("the repr of its Config", repr(config)) for config in configs]
        search(hook, texts, secrets)

    @clause(BackendSpec)
    def test_logs_show_no_secret(
        self,
        fresh: Fresh,
        secrets: Sequence[Secret],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """No logger at any level, and nothing printed, shows key bytes or a credential, nor does a
        warning, a file that is written, a command line or the environment.

        Cure: put the calls of your SDK into ``mute_logging`` with the names of its loggers,
        print nothing, and keep what is secret in memory.
        """
        client = fresh()
        with traces(capsys) as texts:
            self.use(client)
            _, deks = self.provoke(fresh)
        search("every hook", texts, [*secrets, *deks])


def _open_descriptors() -> set[tuple[int, int, int]]:
    """The sockets and files that this process has open, each as its number, device and inode."""
    found = set()
    for path in _DESCRIPTORS.iterdir():
        with suppress(OSError):  # that of the listing itself
            state = os.fstat(int(path.name))
            if stat.S_ISSOCK(state.st_mode) or stat.S_ISREG(state.st_mode):
                found.add((int(path.name), state.st_dev, state.st_ino))
    return found
