"""Runs in a process of its own: opens backends one after the other and tells how each went.

Argument: a JSON list of [kek, storage] URIs. Output: a JSON list with, for each, the error's class,
its message and the class of its cause, or the DEK's hash when there was no error.
"""

import hashlib
import json
import sys

import kms_core
from kms_core._causes import ForeignError


def outcome(kek: str, storage: str) -> dict[str, str]:
    try:
        with kms_core.open_kms(kek=kek, storage=storage) as kms:
            dek = kms.get_dek("volume-1", create=True)
            assert kms.get_dek("volume-1", create=True) == dek
    except BaseException as error:  # noqa: BLE001 -- SystemExit of a plugin is looked for as well
        return {
            "error": type(error).__name__,
            "message": str(error),
            "cause": str(error.__cause__)
            if isinstance(error.__cause__, ForeignError)
            else type(error.__cause__).__name__,
        }
    return {"error": "", "message": hashlib.sha256(dek).hexdigest()}


json.dump([outcome(*uris) for uris in json.loads(sys.argv[1])], sys.stdout)
