"""How long a call may take, and when the SDK tries it again."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions as sdk
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import ConstantTimeout

from kms_gcp.config import GcpConfig


class Calls:
    """The arguments of each call, from the config.

    Encrypt, Decrypt and GetCryptoKeyVersion change nothing, so they are tried again after a
    time-out or when the service is unavailable, as the SDK does by itself.
    """

    def __init__(self, config: GcpConfig) -> None:
        retry = Retry(
            predicate=if_exception_type(sdk.DeadlineExceeded, sdk.ServiceUnavailable),
            initial=0.1,
            multiplier=1.3,
            maximum=5.0,
            timeout=config.deadline,
        )
        # A plain number would be the time for all tries together.
        timeout = ConstantTimeout(config.timeout)  # type: ignore[no-untyped-call] # the SDK lacks types
        self.grpc: dict[str, Any] = {"retry": retry, "timeout": timeout}
