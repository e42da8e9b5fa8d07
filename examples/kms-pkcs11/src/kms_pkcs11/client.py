"""The login to a token, which all clients of a process share.

PKCS #11 logs all of a process in and out at once (version 2.40, section 5.6), so the last client
that closes logs out. python-pkcs11 initialises a module without leave to be called by two threads
at once (section 5.4), hence one lock for all; a fork waits for it, and inherits no module in use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import NamedTuple

import pkcs11
from kms_core import ConfigError, KekNotFoundError
from kms_core.backend import SecretStr, translate_errors
from pkcs11.exceptions import PKCS11Error
from pkcs11.types import Session

from kms_pkcs11.config import Pkcs11KekConfig
from kms_pkcs11.errors import ERRORS

_lock = Lock()
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)


class _Login(NamedTuple):
    session: Session
    holders: set[Token]


_logins: dict[tuple[int, str, str, SecretStr], _Login] = {}
"""By process, module, token and PIN: a child has none, and another PIN opens none."""

_processes: dict[str, int] = {}
"""The process that initialised each module."""


class Token:
    """One client of a token. The PIN is needed, and the token reached, when it is first used."""

    def __init__(self, config: Pkcs11KekConfig) -> None:
        self._label, self._module, self._pin = config.token, str(config.module), config.pin

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield the session that is logged in, for this thread alone.

        Raises:
            KmsError: what the module's error means, be it of the login or of the block.
        """
        with _lock, translate_errors(ERRORS, "a session", f"token {self._label!r}"):
            try:
                login = _logins.get(self._key()) or self._log_in()
                login.holders.add(self)
                yield login.session
            except (PKCS11Error, KekNotFoundError):
                # The token was away, or other code logged out: the next call logs in again.
                self._log_out()
                raise

    def close(self) -> None:
        """Log out if no other client is logged in."""
        with _lock:
            login = _logins.get(self._key())
            if login is not None:
                login.holders.discard(self)
                if not login.holders:
                    self._log_out()

    def _key(self) -> tuple[int, str, str, SecretStr]:
        return os.getpid(), self._module, self._label, self._pin

    def _log_in(self) -> _Login:
        _load(self._module)
        token = pkcs11.lib(self._module).get_token(token_label=self._label)
        session = token.open(user_pin=self._pin.get_secret_value())
        _logins[self._key()] = login = _Login(session, set())
        return login

    def _log_out(self) -> None:
        login = _logins.pop(self._key(), None)
        if login is not None:
            with suppress(PKCS11Error):  # a token that is away has nobody logged in
                login.session.close()


def _load(module: str) -> None:
    """Load the module, and initialise it for this process."""
    if _processes.get(module, os.getpid()) != os.getpid():
        with suppress(PKCS11Error):  # some modules find out by themselves that this is a child
            pkcs11.lib(module).finalize()
    try:
        pkcs11.lib(module)
    except PKCS11Error as error:
        if type(error) is not PKCS11Error:  # a code of PKCS #11, and not the dynamic linker's text
            raise
        raise ConfigError(
            f"{module} cannot be loaded as a PKCS #11 module; install it, or correct module"
        ) from error
    _processes[module] = os.getpid()
