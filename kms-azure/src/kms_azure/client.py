"""Azure credentials, and connections that no other process uses, for which no .netrc speaks, and
that wait no longer than the config says.
"""

from __future__ import annotations

import os
import re
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)
from requests.adapters import HTTPAdapter

from kms_azure.config import AzureConfig, AzureKekConfig, AzureStorageConfig
from kms_azure.errors import CREDENTIALS, strange_reply
from kms_core import UnavailableError
from kms_core.backend import translate_errors

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

Config: TypeAlias = AzureKekConfig | AzureStorageConfig
_Identity: TypeAlias = ClientSecretCredential | ManagedIdentityCredential | DefaultAzureCredential


_FINDING = "a token"
_FOUND = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/[0-9]+")


class Credential:
    """Gets tokens for one service, and of the config's tenant if it names one.

    A service says in its challenge what the token should be for. One that is not what it seems
    could so ask for a token that opens something else, so nothing of that is listened to. The
    identity keeps tokens in memory and gets new ones before they expire.
    """

    def __init__(self, config: Config, scope: str) -> None:
        with translate_errors(CREDENTIALS, _FINDING, scope):
            self._identity = _open_identity(config)
        self._scope = scope
        self._has_tenant = config.tenant_id is not None

    def get_token_info(
        self, *_scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token, as clients of the SDK ask for it."""
        asked = cast("TokenRequestOptions", self._without_tenant(dict(options or {})))
        # The SDK asks amid a call of the service. Its pipeline lets a KmsError pass.
        with translate_errors(CREDENTIALS, _FINDING, self._scope):
            return self._identity.get_token_info(self._scope, options=asked)

    def get_token(self, *_scopes: str, **options: Any) -> AccessToken:
        """A token, as older clients ask for it."""
        with translate_errors(CREDENTIALS, _FINDING, self._scope):
            return self._identity.get_token(self._scope, **self._without_tenant(options))

    def close(self) -> None:
        """Close the connections to whoever issues tokens."""
        self._identity.close()

    def _without_tenant(self, options: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in options.items() if k != "tenant_id" or not self._has_tenant}


def _open_identity(config: Config) -> _Identity:
    options = client_options(config, TokenTransport)
    if config.managed_identity:
        return ManagedIdentityCredential(client_id=config.client_id, **options)
    # Without discovery the authority is what the config says, and no other host is asked about it.
    where = {"authority": config.authority_url, "disable_instance_discovery": True}
    if config.tenant_id is None or config.client_id is None or config.client_secret is None:
        return DefaultAzureCredential(**where, **options)
    secret = config.client_secret.get_secret_value()
    principal = ClientSecretCredential(
        config.tenant_id, config.client_id, secret, **where, **options
    )
    # AZURE_REGIONAL_AUTHORITY_NAME would send the secret to another host than the config's.
    principal._regional_authority = None  # noqa: SLF001 -- there is no option for it
    return principal


class Transport(RequestsTransport):  # type: ignore[misc] # the SDK exports it untyped
    """What the calls of one client go through."""

    def __init__(self, config: AzureConfig) -> None:
        self._config = config
        self._process = 0
        super().__init__(**_timeouts(config))

    def open(self) -> None:
        """Take new connections after a fork: shared ones could mix up answers."""
        if self._process != os.getpid():
            self.session, self._process = _open_session(self._config), os.getpid()
        super().open()

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; refuse headers that the SDK reads as numbers without a look at them."""
        self._keep_deadline(request)
        response = super().send(request, **options)
        _check_headers(request, response)
        return response

    def sleep(self, duration: float) -> None:
        """Wait for the next attempt; a service may ask for hours by Retry-After."""
        super().sleep(min(duration, self._config.read_timeout))

    def _keep_deadline(self, request: Any) -> None:
        """Stop a call whose deadline is over. All its attempts send one request."""
        now = monotonic()
        end = vars(request).setdefault("kms_core_deadline", now + self._config.deadline)
        if now > end:
            raise UnavailableError(
                f"no answer within {self._config.deadline:g} seconds; check endpoint, network and "
                "proxy, or try again later"
            )


class TokenTransport(Transport):
    """For azure-identity, which takes an issuer of tokens that fails for one that refuses us."""

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; fail if the answer is not about the request."""
        response = super().send(request, **options)
        status = response.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise HttpResponseError(response=response)
        return response


def client_options(config: AzureConfig, transport: type[Transport] = Transport) -> dict[str, Any]:
    """What every client of the SDK is opened with."""
    return {
        "transport": transport(config),
        "retry_total": config.max_attempts - 1,
        "initial_backoff": 0,  # or else Blob Storage waits for 15 seconds and more
        "increment_base": 1.5,
        "random_jitter_range": 1,
    }


def _check_headers(request: Any, response: Any) -> None:
    """RFC 9110, sections 8.6 and 14.4; whoever asks for a range has to learn which one it is."""
    length = response.headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        raise strange_reply("has no length that is a number")
    asked = "x-ms-range" in request.headers and response.status_code in _FOUND
    if asked and not _RANGE.fullmatch(response.headers.get("Content-Range", "")):
        raise strange_reply("has no range")


def _open_session(config: AzureConfig) -> Any:
    plain = RequestsTransport(**_timeouts(config))
    plain.open()
    # Or else a .netrc that names the host would replace our token by a password.
    plain.session.auth = lambda request: request
    for prefix, adapter in list(plain.session.adapters.items()):
        pool = HTTPAdapter(pool_maxsize=config.max_connections, max_retries=adapter.max_retries)
        plain.session.mount(prefix, pool)
    return plain.session


def _timeouts(config: AzureConfig) -> dict[str, Any]:
    return {"connection_timeout": config.connect_timeout, "read_timeout": config.read_timeout}
