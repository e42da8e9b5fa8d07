"""moto's server, one request at a time.

By itself it looks whether an object is there in one thread, and puts another's meanwhile: two
clients that create it at once may both be told that they did, which S3 never does.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

_lock = Lock()


class OneAtATime(DomainDispatcherApplication):
    """All of moto's services, behind a lock."""

    def __call__(self, *request: Any) -> Any:
        with _lock:
            return super().__call__(*request)


if __name__ == "__main__":
    vars(server)["DomainDispatcherApplication"] = OneAtATime
    server.main()
