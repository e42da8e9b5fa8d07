"""Tells a metadata service that fails for now from a machine that has none."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import botocore.session
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from kms_aws import cures
from kms_core import UnavailableError


class Metadata:
    """What the SDK asks the metadata service through.

    The SDK takes an answer that says that the service failed, or none, for a machine without a
    role. So it has to be seen where it comes in.

    Args:
        session: of the SDK.
    """

    def __init__(self, session: botocore.session.Session) -> None:
        provider = session.get_component("credential_provider").get_provider("iam-role")
        fetcher = provider._role_fetcher  # noqa: SLF001 -- no other way
        self._session, fetcher._session = fetcher._session, self  # noqa: SLF001 -- likewise
        self.failed = False

    def send(self, request: Any) -> Any:
        """Send a request; take note of what becomes of it."""
        try:
            response = self._session.send(request)
        except (ConnectionClosedError, ReadTimeoutError):
            self.failed = True  # somebody is there, other than if nobody is reached
            raise
        status = response.status_code
        self.failed = (
            status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
        return response

    def check(self) -> None:
        """Raise UnavailableError if it failed when it was last asked."""
        if self.failed:
            raise UnavailableError(f"finding credentials on this machine: {cures.METADATA}")
