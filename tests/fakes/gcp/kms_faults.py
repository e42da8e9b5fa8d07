"""What can go wrong with a call of our own test server for Cloud KMS.

As a program (kms_faults FILE KEY) it serves with accounts and TLS from a pickle, prints its port,
answers one Encrypt under the key, and lets all later ones hang until it is killed.
"""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.gcp.kms_server import Answer, Fault, Key, Refusal, start_kms_server

if TYPE_CHECKING:
    import grpc


def refuse(code: grpc.StatusCode, message: str = "from the test", reason: str = "") -> Fault:
    """The service refuses."""

    def fault(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
        raise Refusal(code, message, reason)

    return fault


def damage_request(name: str) -> Fault:
    """A byte of the request changes on its way."""

    def fault(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
        setattr(request, name, damaged(getattr(request, name)))
        return answer(request)

    return fault


def drop_from_request(name: str) -> Fault:
    """A field of the request is lost on its way."""

    def fault(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
        setattr(request, name, None)
        return answer(request)

    return fault


def change_reply(name: str, change: Callable[[Any], Any]) -> Fault:
    """A field of the reply changes on its way."""

    def fault(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
        reply = answer(request)
        setattr(reply, name, change(getattr(reply, name)))
        return reply

    return fault


def damaged(data: bytes) -> bytes:
    """The data with one bit flipped."""
    return bytes([data[0] ^ 1]) + data[1:]


def hang(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
    """No answer until the caller gives up."""
    given_up = threading.Event()
    context.add_callback(given_up.set)
    given_up.wait(60)


def plainly(request: Any, context: grpc.ServicerContext, answer: Answer) -> Any:
    """As if there were no fault."""
    return answer(request)


def main(file: Path, key: str) -> None:
    accounts, tls = pickle.loads(file.read_bytes())
    with start_kms_server(accounts, tls) as kms:
        kms.keys[key] = Key()
        kms.spoil("Encrypt", plainly, times=1)
        kms.spoil("Encrypt", hang)
        print(kms.port, flush=True)  # noqa: T201 -- for who started it
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
