"""Defects that only a wire that fails brings to light, to be mixed into a small KEK or storage."""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, IncompleteRead
from typing import Any

from kms_core import (
    AccessDeniedError,
    DekExistsError,
    DekNotFoundError,
    KekDisabledError,
    KekNotFoundError,
    UnavailableError,
    UnwrapError,
)
from kms_core.backend import Context, StoredRecord, WrappedDek, hookimpl
from tests.conformance.small_kms import Service, SmallBackend, SmallKek
from tests.conformance.small_store import SmallStorage


class WaitsForEver(SmallBackend):
    breaks = ("test_faulty_wire[hangs]",)
    time_limit = 60


class TakesFailureForRefusal(SmallBackend):
    breaks = ("test_faulty_wire",)

    def ask(self, text: str) -> str:
        try:
            return super().ask(text)
        except Exception as error:
            raise AccessDeniedError("it was refused") from error


class LetsOutWhatTheWireRaises(SmallBackend):
    breaks = ("test_faulty_wire[is dropped before the request]",)

    def ask(self, text: str) -> str:
        return self.get(text)


class TakesAnyAnswer(SmallBackend):
    """Looks at no status."""

    breaks = ("test_faulty_wire[answers HTTP 500]",)

    def check_status(self, status: int) -> None: ...

    def check_answer(self, text: str, answer: str) -> None: ...


class TakesWhatCameOfIt(SmallBackend):
    breaks = ("test_faulty_wire[cuts the answer]",)

    def get(self, text: str) -> str:
        with suppress(IncompleteRead):
            return super().get(text)
        return text


class StaysBroken(SmallBackend):
    """Gives up for ever once the wire has failed."""

    breaks = ("test_faulty_wire[loses the answer]",)
    is_broken = False

    def ask(self, text: str) -> str:
        if self.is_broken:
            raise self.unanswered(OSError("it was broken"))
        try:
            return super().ask(text)
        except Exception:
            self.is_broken = True
            raise


class TakesTimeoutForAltered(SmallKek):
    breaks = ("test_faulty_wire[hangs]",)

    def unanswered(self, error: Exception) -> Exception:
        return UnwrapError() if isinstance(error, TimeoutError) else super().unanswered(error)


class TakesErrorPageForAltered(SmallKek):
    breaks = ("test_faulty_wire[answers HTTP 503]",)

    def check_status(self, status: int) -> None:
        if status >= 500:
            raise UnwrapError


class TakesFailureForMissingKek(SmallKek):
    breaks = ("test_faulty_wire[loses the answer]",)

    def unanswered(self, error: Exception) -> Exception:
        return KekNotFoundError("there is no such KEK")


class TakesTimeoutForMissing(SmallStorage):
    breaks = ("test_faulty_wire[hangs]",)

    def unanswered(self, error: Exception) -> Exception:
        missing = isinstance(error, TimeoutError)
        return DekNotFoundError() if missing else super().unanswered(error)


class TakesErrorPageForMissing(SmallStorage):
    breaks = ("test_faulty_wire[answers HTTP 502]",)

    def check_status(self, status: int) -> None:
        if status >= 500:
            raise DekNotFoundError


class KnowsStatusAlone(SmallBackend):
    """Takes a status for its service's own answer, which would say what is missing."""

    breaks = ("test_gateway_page",)

    def check_status(self, status: int) -> None:
        if 400 <= status < 429:
            is_storage = isinstance(self, SmallStorage)
            raise self.error(DekNotFoundError() if is_storage else KekNotFoundError("none there"))
        super().check_status(status)


class TakesConflictForItsOwn(SmallBackend):
    """Knows 404 by more than its status, and not 409."""

    breaks = ("test_gateway_page[answers HTTP 409]",)

    def check_status(self, status: int) -> None:
        if status == 409:
            is_storage = isinstance(self, SmallStorage)
            raise self.error(DekExistsError() if is_storage else KekDisabledError("it is off"))
        super().check_status(status)


class QuotesThePage(SmallBackend):
    breaks = ("test_page_is_not_quoted",)

    def get(self, text: str) -> str:
        assert self.service.address
        with closing(HTTPConnection(*self.service.address, timeout=self.time_limit)) as connection:
            connection.request("GET", f"/{text}")
            response = connection.getresponse()
            answer = response.read().decode()
            if response.status != 200:
                raise self.error(UnavailableError(f"the service answered {answer}"))
            return answer


class TakesAnyPage(SmallBackend):
    breaks = ("test_page_of_a_portal",)

    def check_answer(self, text: str, answer: str) -> None: ...


class WaitsForEverAtOpening(SmallBackend):
    breaks = ("test_hang_at_opening",)

    def __init__(self, service: Service, *more: Any) -> None:
        super().__init__(service, *more)
        if service.address:
            with closing(HTTPConnection(*service.address, timeout=60)) as connection:
                connection.request("GET", "/anybody-there")
                with suppress(HTTPException):
                    connection.getresponse().read()


class DeletesThenWrites(SmallStorage):
    breaks = ("test_replace_in_parts",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        self.refuse_stale(dek_id, revision)
        self.remove(dek_id)
        self.reach()
        return self.put(dek_id, data)


class TakesFailureForThere(SmallStorage):
    breaks = ("test_faulty_wire[hangs]", "test_lost_create")

    def unanswered(self, error: Exception) -> Exception:
        return DekExistsError()


class TakesFailureForDone(SmallStorage):
    breaks = ("test_lost_create", "test_faulty_wire[hangs]")

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        try:
            self.reach()
        except Exception:  # noqa: BLE001 -- the defect
            return "r1"
        return super().create_record(dek_id, data)


class TakesAnothersRecordForItsOwn(SmallStorage):
    breaks = ("test_lost_create_of_another",)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        try:
            return super().create_record(dek_id, data)
        except UnavailableError:
            return self.load(dek_id).revision


class TakesAnyRecordForItsReplacement(SmallStorage):
    breaks = ("test_lost_replace",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        try:
            return super().replace_record(dek_id, data, revision)
        except UnavailableError:
            return self.load(dek_id).revision


class RepeatsWithoutTheCondition(SmallStorage):
    breaks = ("test_lost_stale_write",)

    @hookimpl
    def replace_record(self, dek_id: str, data: bytes, revision: str) -> str:
        try:
            return super().replace_record(dek_id, data, revision)
        except UnavailableError:
            return self.put(dek_id, data)


class RepeatsADeleteWithoutTheCondition(SmallStorage):
    breaks = ("test_lost_stale_write",)

    @hookimpl
    def delete_record(self, dek_id: str, revision: str) -> None:
        try:
            super().delete_record(dek_id, revision)
        except UnavailableError:
            self.remove(dek_id)


class KeepsHalf(SmallStorage):
    breaks = ("test_lost_create",)

    @hookimpl
    def create_record(self, dek_id: str, data: bytes) -> str:
        try:
            self.reach()
        except Exception:
            self.put(dek_id, data[: len(data) // 2])
            raise
        return super().create_record(dek_id, data)


class MixesUpAnswers(SmallBackend):
    """Goes on with a connection that owes it an answer."""

    connection: socket.socket | None = None

    def get(self, text: str) -> str:
        assert self.service.address
        if self.connection is None:
            self.connection = socket.create_connection(self.service.address, self.time_limit)
        request = f"GET /{text} HTTP/1.1\r\nHost: small\r\n\r\n"
        self.connection.sendall(request.encode())
        answer = self.connection.recv(4096).decode()
        return answer.partition("\r\n\r\n")[2]

    @hookimpl
    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()


class LoadsWhatItAskedForBefore(MixesUpAnswers, SmallStorage):
    breaks = ("test_late_answer",)

    def load(self, dek_id: str) -> StoredRecord:
        return super().load(self.ask(dek_id) if self.service.address else dek_id)


class UnwrapsWhatItAskedForBefore(MixesUpAnswers, SmallKek):
    breaks = ("test_late_answer",)

    @hookimpl
    def unwrap_dek(self, wrapped: WrappedDek, context: Context) -> bytes:
        if self.service.address:
            sealed = bytes.fromhex(self.ask(wrapped.ciphertext.hex()))
            wrapped = WrappedDek(sealed, wrapped.kek_id, wrapped.kek_version, wrapped.algorithm)
        return super().unwrap_dek(wrapped, context)
