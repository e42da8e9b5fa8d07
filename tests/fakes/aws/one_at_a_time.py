"""moto's server, one request at a time.

By itself it looks whether an object is there in one thread, and puts another's meanwhile: two
clients that create it at once may both be told that they did, which S3 never does.

And where policies are enforced, some calls need the permissions that AWS asks for: ReEncrypt two,
of which moto knows neither, and a write or a deletion with If-Match that of reading.
"""

from __future__ import annotations

import os
from base64 import b64decode
from threading import Lock
from typing import Any

from moto import server
from moto.iam.access_control import IAMRequestBase
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

KEY = "A_KEY_OF_KMS"
_lock = Lock()
_check = IAMRequestBase.check_action_permitted
_RE_ENCRYPT = ("kms:ReEncryptFrom", "kms:ReEncryptTo")
_CONDITIONAL = {"s3:PutObject", "s3:DeleteObject"}


def check_all(request: IAMRequestBase, resource: str) -> None:
    """Check each permission that AWS asks for."""
    asked = request._action
    needed = [asked]
    if asked == "kms:ReEncrypt":
        needed = [*_RE_ENCRYPT]
    elif asked in _CONDITIONAL and "If-Match" in request._headers:
        needed.append("s3:GetObject")
    for request._action in needed:
        _check(request, resource)


class OneAtATime(DomainDispatcherApplication):
    """All of moto's services, behind a lock."""

    def __call__(self, *request: Any) -> Any:
        with _lock:
            return super().__call__(*request)


def put_key(text: str) -> None:
    """Put in a key of KMS that another moto had: its ARN, and its material in base64."""
    arn, material = text.split()
    *_, region, account, name = arn.split(":")
    kms: Any = kms_backends[account][region]
    key = kms.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)
    key.id, key.arn, key.key_material = name.removeprefix("key/"), arn, b64decode(material)
    kms.keys[key.id] = key


if __name__ == "__main__":
    if KEY in os.environ:
        put_key(os.environ[KEY])
    vars(server)["DomainDispatcherApplication"] = OneAtATime
    IAMRequestBase.check_action_permitted = check_all  # type: ignore[assignment,method-assign]
    server.main()
