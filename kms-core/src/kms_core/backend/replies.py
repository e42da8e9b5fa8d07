"""Reads replies of services, which may lack a part or be somebody else's, such as a proxy's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from kms_core.errors import UnavailableError

T = TypeVar("T")

_CURE = "check endpoint and proxy, or try again"


def read_part(reply: object, name: str, kind: type[T]) -> T:
    """Read one part of a reply.

    Args:
        reply: a mapping, such as a parsed JSON object.
        name: the part's name.
        kind: its type.

    Raises:
        UnavailableError: the reply is no mapping, lacks the part, or has it in another type.
    """
    part = reply.get(name) if isinstance(reply, Mapping) else None
    if not isinstance(part, kind):
        raise UnavailableError(f"the reply has no {name} that is a {kind.__name__}; {_CURE}")
    return part


def parse_json(body: str | bytes) -> Any:
    """Parse a reply's body.

    Raises:
        UnavailableError: it is not JSON.
    """
    problem = "is not JSON"
    try:
        return json.loads(body)
    except ValueError:
        pass
    except RecursionError:
        problem = "is JSON that is nested too deep"
    raise UnavailableError(f"the reply {problem}; {_CURE}")  # not above: its error holds the body
