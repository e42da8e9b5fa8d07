"""Cloud KMS that lies, repeats and loses answers, as a seed says."""

from __future__ import annotations

from typing import Any

import grpc

from tests.fakes.gcp.kms_server import Answer, Fault, Refusal
from tests.fakes.liar import Liar

HONEST = frozenset({"Decrypt"})
_CODES = ("UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "CANCELLED")


def choose_grpc(liar: Liar, methods: set[str]) -> Fault | None:
    """What the server does to a call of this method."""
    [method] = methods
    fault = liar.choose(method, FAULTS, FORGERIES)
    return fault and (lambda request, _, answer: fault(method, request, answer, liar))


def fail(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    raise Refusal(grpc.StatusCode[liar.pick(_CODES)], "not now")


def fail_after_it_was_done(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    answer(request)
    return fail(method, request, answer, liar)


def repeat_the_request(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    answer(request)
    return answer(request)


def say_nothing(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    return type(answer(request))()


def damage_the_request(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    _damage(request, liar)
    return answer(request)


def damage_the_answer(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    return _damage(answer(request), liar)


def answer_another_call(method: str, request: Any, answer: Answer, liar: Liar) -> Any:
    return liar.swap(method, answer(request))


FAULTS = (
    *(fail, fail_after_it_was_done, repeat_the_request, say_nothing),
    *(damage_the_request, damage_the_answer),
)
FORGERIES = (answer_another_call,)


def _damage(message: Any, liar: Liar) -> Any:
    """A field of bytes, with one bit changed; what stands beside it stays."""
    found = [name for name, value in type(message).to_dict(message).items() if value]
    fields = [name for name in found if isinstance(getattr(message, name), bytes)]
    if fields:
        name = liar.pick(fields)
        setattr(message, name, liar.damage(getattr(message, name)))
    return message
