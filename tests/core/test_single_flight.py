"""Single flight: one call for many callers, and nobody waits for ever."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kms_core import AccessDeniedError
from kms_core._deks.single_flight import Key, SingleFlight, _Flight

A = ("a",)


def start_flight(flights: SingleFlight[bytes], ending: BaseException | bytes) -> threading.Event:
    """Start a flight in another thread that lands once the returned event is set."""
    land, aloft = threading.Event(), threading.Event()

    def call() -> bytes:
        aloft.set()
        land.wait(120)
        if isinstance(ending, BaseException):
            raise ending
        return ending

    def lead() -> None:
        try:
            flights.run(A, call)
        except BaseException:  # noqa: BLE001 -- the leader's own fate is not what is tested
            return

    threading.Thread(target=lead, daemon=True).start()
    assert aloft.wait(120)
    return land


def follow(
    flights: SingleFlight[bytes], land: threading.Event, answer: bytes
) -> tuple[bytes, bool]:
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(flights.run, A, lambda: answer)
        land.set()
        return following.result(120)


def land_when_followed(flights: SingleFlight[bytes], land: threading.Event) -> None:
    """Let the flight land once somebody has met it."""

    class Flights(dict[Key, Any]):
        def setdefault(self, key: Key, default: Any = None) -> Any:
            flight = super().setdefault(key, default)
            if flight is not default:
                land.set()
            return flight

    flights._flights = Flights(flights._flights)


def test_a_follower_gets_the_leaders_result() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    land_when_followed(flights, start_flight(flights, b"leader"))
    assert flights.run(A, lambda: b"follower") == (b"leader", False)


def test_a_follower_gets_an_error_of_its_own() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    leaders = AccessDeniedError("no", maybe_missing=True)
    leaders.locate(backend="kms://x", operation="unwrap_dek", dek_id="a")
    leaders.__cause__, leaders.__context__ = ValueError("the leader's"), ValueError("its past")
    leaders.add_note("of the leader")
    land_when_followed(flights, start_flight(flights, leaders))
    with pytest.raises(AccessDeniedError) as caught:
        flights.run(A, lambda: b"follower")
    own = caught.value
    assert own is not leaders
    assert (str(own), own.maybe_missing) == (str(leaders), True)
    assert (own.__cause__, own.__context__) == (None, None)
    assert not hasattr(own, "__notes__")
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(own.__traceback__)]
    assert names == ["test_a_follower_gets_an_error_of_its_own", "run"]


def test_two_followers_share_no_error() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    flight = _Flight[bytes]()  # one that has failed, and that both have found before it did
    flight.error = AccessDeniedError("no")
    caught = []
    for _ in range(2):
        flights._flights[A] = flight
        with pytest.raises(AccessDeniedError) as own:
            flights.run(A, lambda: b"follower")
        caught.append(own.value)
    assert caught[0] is not caught[1]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), ValueError("a time limit")])
def test_an_interrupted_leader_does_not_interrupt_the_others(interrupt: BaseException) -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    land = start_flight(flights, interrupt)
    assert follow(flights, land, b"follower") == (b"follower", True)


def test_a_thread_does_not_wait_for_itself() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    with ThreadPoolExecutor(1) as pool:
        nested = pool.submit(flights.run, A, lambda: flights.run(A, lambda: b"inner")[0])
        assert nested.result(120) == (b"inner", True)


def test_the_next_flight_is_a_new_one() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    assert flights.run(A, lambda: b"1") == (b"1", True)
    assert flights.run(A, lambda: b"2") == (b"2", True)


def test_who_comes_after_a_change_makes_a_call_of_its_own() -> None:
    flights = SingleFlight[bytes]()
    land = start_flight(flights, b"old")
    flights.forget("b")
    assert list(flights._flights) == [A]
    flights.forget("a")
    assert flights.run(A, lambda: b"new") == (b"new", True)
    land.set()


def test_a_flight_is_forgotten_in_the_moment_in_which_it_ends() -> None:
    class ForgottenWhenSeen(dict[Key, _Flight[bytes]]):
        def get(self, key: Key, default: Any = None) -> Any:
            found = super().get(key, default)
            flights.forget("a")
            return found

    flights = SingleFlight[bytes]()
    flights._flights = ForgottenWhenSeen()
    assert flights.run(A, lambda: b"dek") == (b"dek", True)


def test_a_fork_does_not_wait_for_its_parents_flights() -> None:
    flights: SingleFlight[bytes] = SingleFlight()
    land = start_flight(flights, b"parent")
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os._exit(0 if flights.run(A, lambda: b"child") == (b"child", True) else 1)
    _, status = os.waitpid(child, 0)
    land.set()
    assert os.waitstatus_to_exitcode(status) == 0
