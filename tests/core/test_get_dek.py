"""A DEK that was returned is stored, once, and stays readable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import kms_core
from kms_core import Kms
from kms_core._events import Observer
from kms_core._plugins.clients import bind
from kms_core.backend import Event, WrappedDek, hookimpl
from kms_core.builtin.memory import MemoryStorage


def raising(error: Exception) -> Callable[[], None]:
    def fault() -> None:
        raise error

    return fault


def test_the_same_id_gives_the_same_dek(kms: Kms) -> None:
    dek = kms.get_dek("volume-42", create=True)
    assert len(dek) == 32
    assert kms.get_dek("volume-42", create=True) == dek
    assert kms.get_dek("volume-43", create=True) != dek


@pytest.mark.parametrize("size", [1, 16, 33, 64, 8160])
def test_any_size_in_range(kms: Kms, size: int) -> None:
    dek = kms.get_dek("a", size=size, create=True)
    assert len(dek) == size
    assert kms.get_dek("a", size=size, create=True) == dek


@pytest.mark.parametrize("size", [0, -1, 8161])
def test_a_size_out_of_range_makes_nothing(kms: Kms, storage: Any, size: Any) -> None:
    for call in (partial(kms.get_dek, create=True), kms.create_dek):
        with pytest.raises(kms_core.DekSizeError, match="1 to 8160 bytes"):
            call("a", size=size)
    assert storage.creates == 0


@pytest.mark.parametrize("size", [True, 32.0, "32"])
def test_a_size_that_is_no_int_makes_nothing(kms: Kms, storage: Any, size: Any) -> None:
    for call in (partial(kms.get_dek, create=True), kms.create_dek):
        with pytest.raises(kms_core.DekSizeError, match=f"not {type(size).__name__}"):
            call("a", size=size)
    assert storage.creates == 0


def test_what_is_stored_is_returned_whatever_its_size(kms: Kms) -> None:
    dek = kms.create_dek("a", size=64)
    assert kms.get_dek("a") == dek
    assert kms.get_dek("a", create=True) == dek


def test_nothing_is_made_that_was_not_asked_for(kms: Kms, storage: Any) -> None:
    with pytest.raises(kms_core.DekNotFoundError):
        kms.get_dek("a")
    assert storage.creates == 0


def test_an_id_that_has_a_dek_gets_no_other(kms: Kms, storage: Any) -> None:
    dek = kms.create_dek("a")
    with pytest.raises(kms_core.DekExistsError, match="storage://memory: create_record of DEK 'a'"):
        kms.create_dek("a")
    assert kms.get_dek("a") == dek
    storage.after_create.append(raising(kms_core.UnavailableError("the reply was lost")))
    assert kms.create_dek("b") == kms.get_dek("b")
    storage.after_create.append(raising(kms_core.DekExistsError()))  # the SDK tried again
    assert kms.create_dek("c") == kms.get_dek("c")


def test_a_lost_create_of_an_id_that_a_rival_took(
    kms: Kms, storage: Any, kek: Any, open_with: Any
) -> None:
    def rival_wins_and_reply_is_lost() -> None:
        open_with(kek, storage).create_dek("a")
        raise kms_core.UnavailableError("the reply was lost")

    storage.before_create.append(rival_wins_and_reply_is_lost)
    with pytest.raises(kms_core.DekExistsError):
        kms.create_dek("a")


def test_another_size_than_the_stored_one(kms: Kms) -> None:
    kms.get_dek("a", size=64, create=True)
    with pytest.raises(kms_core.DekSizeError, match="DEK 'a': it has 64 bytes, not the 32"):
        kms.get_dek("a", size=32)


def test_without_create_a_missing_dek_is_an_error(kms: Kms, storage: Any) -> None:
    with pytest.raises(kms_core.DekNotFoundError) as caught:
        kms.get_dek("a", create=False)
    assert caught.value.dek_id == "a"
    assert caught.value.backend == "storage://memory"
    assert storage.creates == 0


def test_without_create_a_stored_dek_is_returned(kms: Kms) -> None:
    assert kms.get_dek("a", create=True) == kms.get_dek("a", create=False)


@pytest.mark.parametrize(
    "dek_id",
    ["", "x" * 256, "日" * 86, "a\nb", "a\x00b", "\x7f", "\x85", "\ud800", b"bytes", None, 7],
)
def test_what_is_no_dek_id(kms: Kms, storage: Any, dek_id: Any) -> None:
    with pytest.raises(kms_core.DekIdError):
        kms.get_dek(dek_id, create=True)
    assert (storage.loads, storage.creates) == (0, 0)


@pytest.mark.parametrize("dek_id", ["x" * 255, "日" * 85, "../../x", " ", "a/b", "é", "\u2028"])
def test_any_text_is_a_dek_id(kms: Kms, dek_id: str) -> None:
    kms.get_dek(dek_id, create=True)
    assert list(kms.list_dek_ids()) == [dek_id]


class Encodes(MemoryStorage):
    @hookimpl
    def list_dek_ids(self, prefix: str) -> Iterator[str]:
        return super().list_dek_ids(prefix.encode().decode())


def test_a_prefix_without_a_utf8_form_reaches_no_storage(
    kek: Any, open_with: Callable[..., Kms]
) -> None:
    kms = open_with(kek, Encodes(Encodes.Config()))
    kms.get_dek("a", create=True)
    assert list(kms.list_dek_ids("a")) == ["a"]
    assert list(kms.list_dek_ids("\ud800")) == []


def test_a_create_that_landed_but_whose_reply_was_lost(kms: Kms, storage: Any) -> None:
    storage.after_create.append(raising(kms_core.UnavailableError("the reply was lost")))
    dek = kms.get_dek("a", create=True)
    assert kms.get_dek("a", create=False) == dek


def test_a_create_that_never_landed_returns_no_dek(kms: Kms, storage: Any) -> None:
    lost = kms_core.UnavailableError("timed out")
    storage.before_create.append(raising(lost))
    with pytest.raises(kms_core.UnavailableError) as caught:
        kms.get_dek("a", create=True)
    assert caught.value is lost
    assert caught.value.retryable
    assert storage.creates == 1, "a lost create is not sent again blindly"


def test_a_lost_reply_while_a_rival_won(kms: Kms, storage: Any, kek: Any, open_with: Any) -> None:
    rival_dek: list[bytes] = []

    def rival_wins_and_reply_is_lost() -> None:
        rival_dek.append(open_with(kek, storage).get_dek("a", create=True))
        raise kms_core.UnavailableError("the reply was lost")

    storage.before_create.append(rival_wins_and_reply_is_lost)
    assert kms.get_dek("a", create=True) == rival_dek[0]


def test_a_lost_reply_and_then_an_unreadable_store(kms: Kms, storage: Any) -> None:
    def lost() -> None:
        storage.before_load.append(raising(kms_core.UnavailableError("still down")))
        raise kms_core.UnavailableError("the reply was lost")

    storage.after_create.append(lost)
    with pytest.raises(kms_core.UnavailableError, match="still down"):
        kms.get_dek("a", create=True)


def test_a_rival_that_was_first(kms: Kms, storage: Any, kek: Any, open_with: Any) -> None:
    rival_dek: list[bytes] = []
    storage.before_create.append(
        lambda: rival_dek.append(open_with(kek, storage).get_dek("a", create=True))
    )
    assert kms.get_dek("a", create=True) == rival_dek[0]


def test_a_conflict_where_nothing_landed_is_tried_again(kms: Kms, storage: Any) -> None:
    storage.before_create += [raising(kms_core.ConflictError("nothing landed"))] * 3
    assert kms.get_dek("a", create=True) == kms.get_dek("a", create=False)
    assert storage.creates == 4


def test_a_conflict_without_end_is_the_callers(kms: Kms, storage: Any) -> None:
    storage.before_create += [raising(kms_core.ConflictError("nothing landed"))] * 99
    with pytest.raises(kms_core.ConflictError) as caught:
        kms.get_dek("a", create=True)
    assert caught.value.retryable
    assert storage.creates == 5


@pytest.mark.parametrize(
    "error",
    [
        kms_core.AccessDeniedError("no"),
        kms_core.ThrottledError("slow down"),
        kms_core.UnavailableError("down"),
    ],
)
def test_a_load_that_fails_never_leads_to_a_create(kms: Kms, storage: Any, error: Any) -> None:
    storage.before_load.append(raising(error))
    with pytest.raises(type(error)):
        kms.get_dek("a", create=True)
    assert storage.creates == 0


def hidden() -> None:
    raise kms_core.AccessDeniedError("missing or forbidden", maybe_missing=True)


def test_a_store_that_hides_what_is_missing(kms: Kms, storage: Any) -> None:
    storage.before_load.append(hidden)
    dek = kms.get_dek("a", create=True)
    assert kms.get_dek("a", create=False) == dek
    assert storage.creates == 1


def test_a_store_that_hides_what_a_rival_just_created(
    kms: Kms, storage: Any, kek: Any, open_with: Any
) -> None:
    rival_dek: list[bytes] = []
    storage.before_load.append(hidden)
    storage.before_create.append(
        lambda: rival_dek.append(open_with(kek, storage).get_dek("a", create=True))
    )
    assert kms.get_dek("a", create=True) == rival_dek[0]


def test_a_kek_that_hides_what_is_missing_makes_no_dek(kms: Kms, storage: Any, kek: Any) -> None:
    kms.create_dek("a")
    kek.alter_dek = lambda _: hidden()
    with pytest.raises(kms_core.AccessDeniedError):
        kms.get_dek("a", create=True)
    assert (storage.creates, kek.wraps) == (1, 1)


@pytest.mark.parametrize("what", ["ciphertext", "other bytes"])
def test_a_wrap_that_does_not_unwrap_is_never_stored(
    kms: Kms, storage: Any, kek: Any, what: str
) -> None:
    """An answer that was damaged, or that did not come from the KMS."""
    if what == "ciphertext":
        kek.alter_wrapped = lambda wrapped: replace(wrapped, ciphertext=wrapped.ciphertext[:-1])
    else:
        kek.alter_dek = lambda dek: dek[::-1]
    for call in (kms.create_dek, partial(kms.get_dek, create=True)):
        with pytest.raises(kms_core.UnavailableError, match="does not unwrap") as caught:
            call("a")
        assert caught.value.operation == "wrap_dek"
    assert storage.creates == 0


def test_a_dek_that_cannot_be_read_back_is_not_returned(kms: Kms, storage: Any) -> None:
    storage.before_load += [hidden, hidden]
    with pytest.raises(kms_core.AccessDeniedError):
        kms.get_dek("a", create=True)
    assert storage.creates == 1


def test_a_lost_create_in_a_store_that_hides_what_is_missing(kms: Kms, storage: Any) -> None:
    storage.before_load += [hidden, hidden]
    storage.before_create.append(raising(kms_core.UnavailableError("down")))
    with pytest.raises(kms_core.UnavailableError):
        kms.get_dek("a", create=True)


def test_without_create_what_is_hidden_is_denied(kms: Kms, storage: Any) -> None:
    storage.before_load.append(hidden)
    with pytest.raises(kms_core.AccessDeniedError):
        kms.get_dek("a", create=False)
    assert storage.creates == 0


def test_a_wrap_that_fails_stores_nothing(kms: Kms, kek: Any, storage: Any) -> None:
    def refuse(_wrapped: WrappedDek) -> WrappedDek:
        raise kms_core.UnavailableError("down")

    kek.alter_wrapped = refuse
    with pytest.raises(kms_core.UnavailableError) as caught:
        kms.get_dek("a", create=True)
    assert (caught.value.backend, caught.value.operation) == ("kms://local", "wrap_dek")
    assert storage.creates == 0


@pytest.mark.parametrize(
    "unfit",
    [{"ciphertext": bytes(70000)}, {"kek_id": "\ud800"}, {"algorithm": "\udfff"}],
)
def test_what_could_not_be_read_again_is_not_stored(
    kms: Kms, kek: Any, storage: Any, unfit: dict[str, Any]
) -> None:
    kek.alter_wrapped = lambda wrapped: replace(wrapped, **unfit)
    with pytest.raises(kms_core.BackendContractError, match="what no record can hold"):
        kms.get_dek("a", create=True)
    assert storage.creates == 0


@pytest.mark.parametrize("alter", [lambda d: d + b"\0", lambda d: d[:-1], lambda _: b""])
def test_a_kms_that_returns_another_length(kms: Kms, kek: Any, alter: Any) -> None:
    kms.get_dek("a", create=True)
    kek.alter_dek = alter
    with pytest.raises(kms_core.UnwrapError, match="other bytes than were wrapped"):
        kms.get_dek("a", create=True)


def test_an_answer_that_is_another_deks(kms: Kms, kek: Any) -> None:
    """A proxy, a cache or an emulator may mix answers up, and both DEKs are of one size."""
    answers: list[bytes] = []

    def keep(answer: bytes) -> bytes:
        answers.append(answer)
        return answer

    kek.alter_dek = keep
    deks = [kms.create_dek(dek_id) for dek_id in ("a", "b")]
    kek.alter_dek = lambda answer: answers[answer == answers[0]]
    for dek_id in ("a", "b"):
        with pytest.raises(kms_core.UnwrapError, match="check endpoint and proxy") as caught:
            kms.get_dek(dek_id, create=True)
        assert (caught.value.operation, caught.value.dek_id) == ("unwrap_dek", dek_id)
    kek.alter_dek = lambda dek: dek
    assert [kms.get_dek(dek_id) for dek_id in ("a", "b")] == deks


def test_a_record_of_another_provider(kms: Kms, storage: Any) -> None:
    kms.get_dek("a", create=True)
    stored = storage.load_record("a")
    storage.replace_record("a", stored.data.replace(b'"local"', b'"azure"'), stored.revision)
    with pytest.raises(kms_core.KekNotFoundError, match="a KEK of 'azure'") as caught:
        kms.get_dek("a", create=True)
    assert str(caught.value).startswith("storage://memory: load_record of DEK 'a': it is wrapped")


def test_a_record_copied_to_another_id_is_refused_and_kept(kms: Kms, storage: Any) -> None:
    kms.get_dek("a", create=True)
    data = storage.load_record("a").data
    storage.create_record("b", data)
    with pytest.raises(kms_core.RecordError, match="belongs to DEK 'a'") as caught:
        kms.get_dek("b", create=True)
    assert caught.value.dek_id == "b"
    forged = data.replace(b'"dek_id":"a"', b'"dek_id":"c"')
    storage.create_record("c", forged)
    with pytest.raises(kms_core.UnwrapError):
        kms.get_dek("c", create=True)
    assert storage.load_record("b").data == data
    assert storage.load_record("c").data == forged


def test_threads_share_one_flight(kms: Kms, kek: Any) -> None:
    kek.gate = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(kms.get_dek, "a", create=True) for _ in range(16)]
        kek.gate.set()
        deks = {future.result() for future in waiting}
    assert len(deks) == 1
    assert kek.wraps == 1


def test_of_threads_that_share_a_flight_one_made_the_dek(
    kek: Any, storage: Any, open_with: Any
) -> None:
    events: list[Event] = []
    kms = open_with(kek, storage, [Observer("events", events.append)])
    kek.gate = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(kms.get_dek, "a", create=True) for _ in range(4)]
        while kek.wraps == 0:
            time.sleep(0.001)
        kek.gate.set()
        assert len({future.result() for future in waiting}) == 1
    assert sorted(bool(e.made) for e in events if e.operation == "get_dek") == [False] * 3 + [True]


def test_an_own_replace_that_came_back_as_a_conflict(storage: Any) -> None:
    """An SDK that lost the answer tried again, and met what it had written itself."""
    client: Any = bind("storage://memory", storage, "kms-core test")
    first = client.create_record("a", b"first")
    second = client.replace_record("a", b"second", first)
    assert client.replace_record("a", b"second", first) == second
    with pytest.raises(kms_core.ConflictError):
        client.replace_record("a", b"third", first)
    with pytest.raises(kms_core.DekNotFoundError) as caught:
        client.replace_record("missing", b"third", first)
    assert caught.value.operation == "replace_record"


@pytest.mark.parametrize("revision", ["", " ", "*"])
def test_a_revision_that_may_match_any_reaches_no_backend(storage: Any, revision: str) -> None:
    """`If-Match: *` matches whatever is there, and many servers take an empty header for none."""
    client: Any = bind("storage://memory", storage, "kms-core test")
    first = client.create_record("a", b"first")
    for write in (
        partial(client.replace_record, "a", b"second"),
        partial(client.delete_record, "a"),
    ):
        with pytest.raises(kms_core.ConflictError, match="no state") as caught:
            write(revision)
        assert caught.value.dek_id == "a"
    assert client.load_record("a").revision == first


def test_threads_of_several_clients_get_one_dek(kek: Any, storage: Any, open_with: Any) -> None:
    clients = [open_with(kek, storage) for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        for number in range(50):
            deks = set(
                pool.map(lambda client, n=number: client.get_dek(f"id-{n}", create=True), clients)
            )
            assert len(deks) == 1


def test_use_after_close(kms: Kms) -> None:
    kms.close()
    kms.close()
    with pytest.raises(kms_core.ClosedError):
        kms.get_dek("a", create=True)
    with pytest.raises(kms_core.ClosedError):
        list(kms.list_dek_ids())
