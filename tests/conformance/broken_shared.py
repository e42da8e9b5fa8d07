"""Defects that any backend can have, to be mixed into a small one of each kind."""

from __future__ import annotations

import logging
import os
import subprocess
import warnings
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO, Any

from kms_core import AccessDeniedError, ConfigError, KmsError, UnavailableError
from kms_core.backend import BackendConfig, hookimpl
from tests.conformance.small_kms import Service, SmallBackend


class ForgetsHookimpl(SmallBackend):
    breaks = ("test_hookspec_is_kept",)

    def close(self) -> None: ...


class HasNoModel(SmallBackend):
    breaks = ("test_hookspec_is_kept",)
    Config = dict


class CannotClose(SmallBackend):
    breaks = ("test_close_twice",)

    @hookimpl
    def close(self) -> None:
        raise OSError


class AnswersClose(SmallBackend):
    breaks = ("test_use_after_close",)

    @hookimpl
    def close(self) -> bool:  # type: ignore[override] # the defect
        return True


class ClosesTheService(SmallBackend):
    breaks = ("test_close_leaves_others_open",)

    @hookimpl
    def close(self) -> None:
        self.service.closed = True


class LeavesItsFileOpen(SmallBackend):
    breaks = ("test_close_frees_all",)
    file: IO[bytes] | None = None

    def reach(self) -> None:
        super().reach()
        self.file = self.file or TemporaryFile()  # noqa: SIM115 -- the defect


class LeavesItsThreadRunning(SmallBackend):
    """Such as one that sends what is left."""

    breaks = ("test_close_ends_threads",)

    @hookimpl
    def close(self) -> None:
        Thread(target=Event().wait, daemon=True).start()


class HoldsItsCredentialAsText(SmallBackend):
    breaks = ("test_description_shows_no_secret",)

    class Config(BackendConfig):
        password: str

    def __init__(self, service: Service, *more: Any) -> None:
        super().__init__(service, *more)
        self.config = self.Config(password=service.credential)


class BlamesAnother(SmallBackend):
    breaks = ("test_errors_say_where",)

    def error(self, error: KmsError) -> KmsError:
        error.locate(backend="kms://another", operation="another", dek_id="another")
        return error


class ShowsItself(SmallBackend):
    breaks = ("test_description_shows_no_secret",)

    def __repr__(self) -> str:
        return f"<client with {self.service.credential}>"


class TellsCredential(SmallBackend):
    breaks = ("test_errors_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        return type(error)(f"not with {self.service.credential}")


class NotesCredential(SmallBackend):
    breaks = ("test_errors_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        error.add_note(self.service.credential)
        return error


class CarriesCredential(SmallBackend):
    breaks = ("test_errors_carry_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        error.request = {"Authorization": self.service.credential}  # type: ignore[attr-defined] # the defect
        return error


class LogsCredential(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        logging.getLogger("small.sdk").debug("sent", extra={"sent": self.service.credential})
        return error


class LogsTraceback(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        credential = self.service.credential
        try:
            int(credential[:0])
        except ValueError:
            logging.getLogger("small.sdk").debug("no number", exc_info=True)
        return error


class PrintsCredential(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        print(self.service.credential)  # noqa: T201 -- the defect
        return error


class LogsHalfOfIt(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        half = self.service.credential[: len(self.service.credential) // 2]
        logging.getLogger("small.sdk").debug("sent %s…", half)
        return error


class WarnsWithItsCredential(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        warnings.warn(f"{self.service.credential} may not do this", stacklevel=2)
        return error


class GivesItsCredentialToACommand(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        subprocess.run(["true", "--token", self.service.credential], check=False)
        return error


class SetsItsCredentialForAll(SmallBackend):
    breaks = ("test_logs_show_no_secret",)

    def error(self, error: KmsError) -> KmsError:
        os.environ["SMALL_CREDENTIAL"] = self.service.credential
        return error


class LetsOutWhatItsSdkRaises(SmallBackend):
    breaks = ("test_unreachable", "test_forbidden")

    def reach(self) -> None:
        if self.service.closed:
            raise ConnectionRefusedError
        if self.service.forbidden:
            raise PermissionError


class TellsCredentialWhenUnreachable(SmallBackend):
    breaks = ("test_unreachable",)

    def reach(self) -> None:
        if self.service.closed:
            raise UnavailableError(f"no answer from https://{self.service.credential}@small")
        super().reach()


class CarriesCredentialWhenForbidden(SmallBackend):
    breaks = ("test_forbidden",)

    def reach(self) -> None:
        if self.service.forbidden:
            error = AccessDeniedError("the credential may not do this")
            vars(error)["request"] = {"Authorization": self.service.credential}
            raise error
        super().reach()


class OpensWithAnotherError(SmallBackend):
    breaks = ("test_unreachable", "test_forbidden")

    def __init__(self, service: Service, *more: Any) -> None:
        super().__init__(service, *more)
        if service.closed or service.forbidden:
            raise ConfigError("set another endpoint")


class TakesARefusalForAFailure(SmallBackend):
    breaks = ("test_forbidden",)

    def reach(self) -> None:
        if self.service.forbidden:
            raise UnavailableError("the service failed")
        super().reach()
