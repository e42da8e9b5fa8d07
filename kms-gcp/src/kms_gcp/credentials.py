"""Google credentials: where they come from, and the little of them that the SDK gets to see."""

from __future__ import annotations

import json
import os
import warnings
from functools import partial
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import google.auth
import google.auth.credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from requests import Session
from requests.adapters import HTTPAdapter

from kms_core import AuthenticationError, ConfigError
from kms_core.backend import Endpoint, mute_logging, read_secret_file, translate_errors
from kms_gcp.config import GcpConfig
from kms_gcp.errors import CREDENTIALS

_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_NOT_FOUND: tuple[type[Exception], ...] = (*CREDENTIALS.errors, OSError)
_ADDRESSES = ("token_uri", "token_url", "service_account_impersonation_url")
_PUBLIC = ("external_account",)  # names where a token is, which gcloud lets everybody read
_TALKATIVE = ("google.auth._default", "google.auth.transport.requests")

_sign: Any = partial(
    service_account.Credentials.with_always_use_jwt_access, always_use_jwt_access=True
)


class Token(google.auth.credentials.Credentials):
    """Puts the token that is there into a call, and lets the SDK do no more with it.

    In the middle of a call, an SDK tells whatever goes wrong with a token as an outage, and gRPC
    would ask for another one 25 times; the SDK's own credentials also ask
    ``iamcredentials.googleapis.com`` for regions, in a thread. And the universe, which says where
    the services are, is the config's.

    Args:
        config: whose credentials, and how long to wait for them.
        scope: what they are for.
        signs: a service account signs its tokens itself (Google's AIP-4111), as the SDK of Cloud
            KMS has it do; nothing is requested for them.

    Raises:
        ConfigError: they are another universe's, or their file is wrong.
        AccessDeniedError: others may read or change their file.
        AuthenticationError: there are none.
    """

    def __init__(self, config: GcpConfig, scope: str, *, signs: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the SDK lacks types
        self._session = tame(Session(), config)
        wait = config.connect_timeout + config.read_timeout
        self._request = _Asking(partial(Request(self._session), timeout=wait))
        self._universe_domain = config.universe_domain
        self._source = _load(config, scope, self._request)
        self._renewing = Lock()
        if signs and isinstance(self._source, service_account.Credentials):
            self._source = _sign(self._source)

    def ensure(self) -> None:
        """Renew it if it is about to expire.

        Raises:
            KmsError: it cannot be renewed.
        """
        if not self._source.valid:
            with self._renewing:  # or each of many threads would ask for one
                if not self._source.valid:
                    self._renew()

    def refresh(self, request: object) -> None:  # noqa: ARG002 -- the SDK's signature
        """Renew it, as the SDK of Cloud Storage asks for once after a 401."""
        with self._renewing:
            self._renew()

    def before_request(
        self,
        request: object,  # noqa: ARG002 -- likewise
        method: str,  # noqa: ARG002
        url: str,  # noqa: ARG002
        headers: dict[str, str],
    ) -> None:
        """Put it into the headers of a call."""
        headers |= self.headers()

    def headers(self) -> dict[str, str]:
        """The headers of a call that show who makes it."""
        headers: dict[str, str] = {}
        self._source.apply(headers)
        return headers

    def close(self) -> None:
        """Close the connections to who gives tokens."""
        self._session.close()

    def _renew(self) -> None:
        with _muted(), translate_errors(CREDENTIALS, "finding credentials", "this machine"):
            try:
                self._source.refresh(self._request)
            except GoogleAuthError:
                if self._request.failed:
                    raise TransportError("for now", retryable=True) from None  # type: ignore[no-untyped-call] # the SDK lacks types
                raise


class _Asking:
    """Asks who gives tokens. Some of the SDK's errors have lost the status of the answer."""

    def __init__(self, ask: Any) -> None:
        self._ask = ask
        self.failed = False

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.failed = False
        response = self._ask(*arguments, **options)
        self.failed = (
            response.status == HTTPStatus.TOO_MANY_REQUESTS
            or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
        return response


def tame(session: Session, config: GcpConfig) -> Session:
    """Let nothing but the config and our token into a session of the SDK."""
    session.auth = lambda request: request  # or ~/.netrc replaces the token
    # Or a redirect would send what a token is made of elsewhere.
    session.get_redirect_target = lambda _: None  # type: ignore[assignment,method-assign] # no other way
    session.mount("https://", HTTPAdapter(pool_maxsize=config.max_connections))
    session.mount("http://", _Direct(pool_maxsize=config.max_connections))
    return session


class _Direct(HTTPAdapter):
    """Plain http is for this machine and its metadata server: no proxy gets to see it."""

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        return super().send(request, *arguments, **options | {"proxies": None})


def _muted() -> mute_logging:
    return mute_logging(*_TALKATIVE, others="google")


def _load(config: GcpConfig, scope: str, request: Any) -> Any:
    """Without a scope first, or the SDK would look for the project's name at another host."""
    file = os.environ.get(_FILE)
    if config.anonymous:
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call] # the SDK lacks types
    if config.credentials_path is not None:
        found = _read("credentialsPath", config.credentials_path, config)
    elif file:
        found = _read(_FILE, Path(file), config)
    else:
        found = _find(request)
    with _muted(), translate_errors(CREDENTIALS, "finding credentials", "this machine"):
        universe = found.universe_domain
    if universe != config.universe_domain:
        raise ConfigError(
            f"the credentials are of the universe {universe!r:.100}, and {config.universe_domain} "
            "is configured; give the right credentials, or universeDomain"
        )
    scoped = google.auth.credentials.with_scopes_if_required(found, [scope])  # type: ignore[no-untyped-call] # the SDK lacks types
    project = config.quota_project
    return scoped.with_quota_project(project) if project else scoped


def _find(request: Any) -> Any:
    try:
        with _muted():
            found, _ = google.auth.default(request=request)
    except _NOT_FOUND:
        pass
    else:
        return found
    # Raised here and not above: those errors may carry a file's content.
    raise AuthenticationError(
        "no application default credentials were found; give credentialsPath, run where a "
        "service account is attached, or run `gcloud auth application-default login`"
    )


def _read(name: str, path: Path, config: GcpConfig) -> Any:
    try:
        of_sdk = name == _FILE and path.is_file()
        document = json.loads(path.read_bytes() if of_sdk else read_secret_file(path, public=True))
        problem = _find_mistake(document)
        if not problem and name != _FILE and document["type"] not in _PUBLIC:
            document = json.loads(read_secret_file(path))
        problem = problem or _find_stranger(document, config.universe_domain)
        if not problem:
            return _parse(document)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}; correct the path"
    except (GoogleAuthError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        problem = (
            "is no file of Google credentials; have it made by `gcloud iam service-accounts keys "
            "create`, which writes JSON"
        )
    # Raised here and not above: those errors may carry the file's content.
    raise ConfigError(f"{name}: {str(path)!r} {problem}")


def _find_mistake(document: dict[str, Any]) -> str | None:
    """What is there in place of credentials, or what has become of them."""
    if {"installed", "web"} & {*document}:
        return (
            "is the file of an OAuth client, which can do nothing by itself; give a key of a "
            "service account"
        )
    if "\\n" in document.get("private_key", ""):
        return (
            "has a private_key whose line breaks were altered; give the file as it was downloaded"
        )
    return None


def _find_stranger(document: dict[str, Any], universe: str) -> str | None:
    """Who edits the file must not have tokens, or what they are made of, sent elsewhere."""
    for name in _ADDRESSES:
        url = document.get(name)
        if url is not None and not _is_known(Endpoint(url), universe):
            return (
                f"names as {name} a host outside of {universe}; get a new file, or give "
                "universeDomain if it is right"
            )
    source = document.get("source_credentials")
    return _find_stranger(source, universe) if source else None


def _is_known(url: Endpoint, universe: str) -> bool:
    host = urlsplit(url).hostname or ""
    return url.is_local or host.endswith(f".{universe}") or host == "accounts.google.com"


def _parse(document: dict[str, Any]) -> Any:
    with warnings.catch_warnings():  # which of the kinds of files it is, is for its owner to say
        warnings.simplefilter("ignore", DeprecationWarning)
        credentials, _ = google.auth.load_credentials_from_dict(document)  # type: ignore[no-untyped-call] # the SDK lacks types
    return credentials.with_quota_project(document.get("quota_project_id"))  # and not the machine's
