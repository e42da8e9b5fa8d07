"""Azure credentials, and connections that no other process uses, for which no .netrc speaks, and
that wait no longer than the config says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from requests.adapters import HTTPAdapter

from kms_azure.config import AzureConfig, AzureKekConfig, AzureStorageConfig
from kms_azure.errors import CREDENTIALS, DEFAULT_CHAIN, MANAGED_IDENTITY, strange_reply
from kms_azure.route import find_route
from kms_core import ConfigError, KmsError, UnavailableError
from kms_core.backend import ErrorTable, Route, mute_logging, parse_json, translate_errors

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions

Config: TypeAlias = AzureKekConfig | AzureStorageConfig
_Identity: TypeAlias = (
    CertificateCredential
    | ClientSecretCredential
    | DefaultAzureCredential
    | ManagedIdentityCredential
    | WorkloadIdentityCredential
)

_BAD_CERTIFICATE = (
    "clientCertificate is malformed; give the certificate and its RSA key, one after the other, in "
    "PEM and without a password"
)
_BAD_ENVIRONMENT = (
    "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH (or "
    "_PASSWORD) in the environment is empty or malformed; correct it, or unset all of them"
)
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # in the order of requests
_FOUND = {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
_OF_OAUTH = {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}  # answers of RFC 6749, section 5: an object
_NOT_READY = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
"""What the issuer on a machine answers for a moment, and the SDK takes for no issuer.

https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""
_REDIRECTS = range(HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST)
_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/[0-9]+")
_failures: ContextVar[list[AzureError | KmsError] | None] = ContextVar("_failures", default=None)
"""How the issuers failed that are asked for one token: the SDK's chain keeps their texts alone."""


class Credential:
    """Gets tokens for one service, and of the config's tenant if it names one.

    A service says in its challenge what the token should be for. One that is not what it seems
    could so ask for a token that opens something else, so nothing of that is listened to. The
    identity keeps tokens in memory and gets new ones before they expire.
    """

    def __init__(self, config: Config, scope: str) -> None:
        self._identity = _open_identity(config)
        self._scope = scope
        self._errors, self._issuer = _find_table(config)
        self._has_tenant = config.tenant_id is not None

    def get_token_info(
        self, *_scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """A token, as clients of the SDK ask for it."""
        asked = cast("TokenRequestOptions", self._without_tenant(dict(options or {})))
        # The SDK asks amid a call of the service. Its pipeline lets a KmsError pass.
        with self._asking():
            return self._identity.get_token_info(self._scope, options=asked)

    def get_token(self, *_scopes: str, **options: Any) -> AccessToken:
        """A token, as older clients ask for it."""
        with self._asking():
            return self._identity.get_token(self._scope, **self._without_tenant(options))

    def close(self) -> None:
        """Close the connections to whoever issues tokens."""
        self._identity.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        told = translate_errors(self._errors, "getting a token", self._issuer)
        with _muted(), told, _failures_kept() as failures:
            try:
                yield
            except ClientAuthenticationError:
                if failures:
                    raise failures[-1] from None
                raise

    def _without_tenant(self, options: dict[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in options.items() if k != "tenant_id" or not self._has_tenant}


@contextmanager
def _failures_kept() -> Iterator[list[AzureError | KmsError]]:
    failures: list[AzureError | KmsError] = []
    before = _failures.set(failures)
    try:
        yield failures
    finally:
        _failures.reset(before)


def _find_table(config: Config) -> tuple[ErrorTable, str]:
    """What it means that there is no token, and who was to give it."""
    if config.managed_identity:
        return MANAGED_IDENTITY, "this machine"
    if config.client_id is None:
        return DEFAULT_CHAIN, "this machine"
    return CREDENTIALS, config.authority_url


def _muted() -> mute_logging:
    """MSAL logs answers that it cannot read, and azure-identity what an issuer of tokens says."""
    return mute_logging("msal", others="azure")


def _open_identity(config: Config) -> _Identity:
    try:
        identity = _choose_identity(config)
    except (TypeError, ValueError):  # which may hold what could not be read
        identity = None
    if identity is None:
        given = config.client_certificate is not None
        raise ConfigError(_BAD_CERTIFICATE if given else _BAD_ENVIRONMENT)
    _keep_authority(identity, config.authority_url)
    return identity


def _choose_identity(config: Config) -> _Identity:
    options = _client_options(config, TokenTransport(config))
    # Without discovery the authority is what the config says, and no other host is asked about it.
    options |= {"authority": config.authority_url, "disable_instance_discovery": True}
    if config.managed_identity:
        return ManagedIdentityCredential(client_id=config.client_id, **options)
    if config.tenant_id is None or config.client_id is None:
        return DefaultAzureCredential(**options)
    if config.client_secret is not None:
        secret = config.client_secret.get_secret_value()
        return ClientSecretCredential(config.tenant_id, config.client_id, secret, **options)
    if config.client_certificate is not None:
        pem = config.client_certificate.get_secret_value().encode()
        return CertificateCredential(
            config.tenant_id, config.client_id, certificate_data=pem, **options
        )
    return WorkloadIdentityCredential(
        tenant_id=config.tenant_id,
        client_id=config.client_id,
        token_file_path=str(config.federated_token_file),
        **options,
    )


def _keep_authority(part: Any, authority: str) -> None:
    """Send proofs nowhere else: the SDK's chain hands on no authority, and takes both of these
    from AZURE_AUTHORITY_HOST and AZURE_REGIONAL_AUTHORITY_NAME. There is no option for it.
    """
    for name, value in (("_authority", authority), ("_regional_authority", None)):
        if hasattr(part, name):
            setattr(part, name, value)
    within = (getattr(part, name, None) for name in ("_credential", "_client"))
    for inner in (*getattr(part, "credentials", ()), *within):
        if inner is not None:
            _keep_authority(inner, authority)


class Transport(RequestsTransport):  # type: ignore[misc] # the SDK exports it untyped
    """What the calls of one client go through."""

    def __init__(self, config: AzureConfig, route: Route | None = None) -> None:
        self._config, self._route = config, route
        self._process = 0
        trusted = {} if route is None else {"connection_verify": route.ca_file}
        super().__init__(**_timeouts(config), **trusted)

    def open(self) -> None:
        """Take new connections after a fork: shared ones could mix up answers."""
        if self._process != os.getpid():
            self.session = _open_session(self._config, self._route)
            self._process = os.getpid()
        super().open()

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; refuse headers that the SDK obeys or reads without a look at them."""
        response = super().send(request, **options)
        if "Location" in response.headers and response.status_code in _REDIRECTS:
            raise strange_reply("leads elsewhere")  # where the SDK would send a key or a secret
        _check_headers(request, response)
        return response

    def sleep(self, duration: float) -> None:
        """Wait for the next attempt; a service may ask for hours by Retry-After."""
        super().sleep(min(duration, self._config.read_timeout))


class TokenTransport(Transport):
    """For azure-identity, which takes an issuer of tokens that fails for one that refuses us."""

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request; fail if the answer is not about the request."""
        is_local, failures = _is_local(request.url), _failures.get()
        try:
            response = self._ask(request, is_local, options)
        except (AzureError, KmsError) as error:
            # Where nobody is reached on this machine, there is no issuer.
            if failures is not None and not (is_local and isinstance(error, ServiceRequestError)):
                failures.append(error)
            raise
        if failures is not None:
            failures.clear()
        return response

    def _ask(self, request: Any, is_local: bool, options: dict[str, Any]) -> Any:  # noqa: FBT001 -- private
        if is_local:  # a proxy could take the token, or give another one
            options["proxies"] = {"http": "", "https": ""}
        response = super().send(request, **options)
        status = response.status_code
        is_away = (
            status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if is_away or (is_local and status in _NOT_READY):
            raise HttpResponseError(response=response)
        if not is_local and status in _OF_OAUTH and not _is_object(response.content):
            raise DecodeError(response=response)
        return response


def _is_local(url: str) -> bool:
    """Whether it is this machine's own issuer of tokens, such as IMDS; Entra ID is https only."""
    endpoint = os.environ.get("IDENTITY_ENDPOINT")  # https in Service Fabric
    return urlsplit(url).scheme == "http" or (endpoint is not None and url.startswith(endpoint))


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(parse_json(body), dict)
    except UnavailableError:
        return False


def service_options(config: Config) -> dict[str, Any]:
    """What a client of a service is opened with: it goes the way that there is now."""
    return _client_options(config, Transport(config, find_route(config)))


def _client_options(config: AzureConfig, transport: Transport) -> dict[str, Any]:
    name = next(filter(os.environ.get, _BUNDLES), None)
    if name and not Path(os.environ[name]).exists():  # or else each call would fail with an OSError
        raise ConfigError(
            f"{name} names {os.environ[name]!r}, which is not there; have it name a file of "
            "certificates in PEM"
        )
    return {
        "transport": transport,
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


def _open_session(config: AzureConfig, route: Route | None) -> Any:
    # With a route nothing has to be looked for in the environment, as the SDK does at each call.
    plain = RequestsTransport(use_env_settings=route is None, **_timeouts(config))
    plain.open()
    if route is not None and route.proxy:
        plain.session.proxies["all"] = route.proxy
    # Or else a .netrc that names the host would replace our token by a password.
    plain.session.auth = lambda request: request
    for prefix, adapter in list(plain.session.adapters.items()):
        pool = HTTPAdapter(pool_maxsize=config.max_connections, max_retries=adapter.max_retries)
        plain.session.mount(prefix, pool)
    return plain.session


def _timeouts(config: AzureConfig) -> dict[str, Any]:
    return {"connection_timeout": config.connect_timeout, "read_timeout": config.read_timeout}
