"""A token endpoint for service accounts, on Authlib's grant of RFC 7523."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc7523 import JWTBearerGrant
from flask import Flask
from joserfc import jwk
from werkzeug.serving import make_server

from tests.fakes.gcp.accounts import Account, Accounts
from tests.fakes.live.gcp import token_form
from tests.fakes.proxy import Exchange, Proxy, Reply, run_proxy

# google-auth names this audience in every assertion, whatever the file's token_uri is.
AUDIENCE = "https://oauth2.googleapis.com/token"


class Client:
    """A service account, as Authlib wants to see it."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""


class TokenServer:
    """The endpoint, and whose token is whose."""

    def __init__(self) -> None:
        self.accounts: Accounts | None = None
        self.answer: tuple[str, int] | None = None
        self.app = Flask("token-server")
        server = AuthorizationServer(self.app, lambda _: None, self._save)
        server.register_grant(self._grant())
        self.app.before_request(self._answer)
        self.app.post("/token")(server.create_token_response)

    def email_of(self, authorization: str | None) -> str | None:
        """Who has this header's token."""
        assert self.accounts is not None
        return self.accounts.tokens.get((authorization or "").removeprefix("Bearer "))

    def _answer(self) -> Any:
        return self.answer

    def _grant(self) -> type[JWTBearerGrant]:
        outer = self

        class Grant(JWTBearerGrant):  # type: ignore[misc] # Authlib has no types
            def get_audiences(self) -> list[str]:
                return [AUDIENCE]

            def resolve_issuer_client(self, issuer: str) -> Client | None:
                assert outer.accounts is not None
                account = outer.accounts.known.get(issuer)
                return Client(account) if account else None

            def resolve_client_public_key(self, client: Client) -> jwk.RSAKey:
                return jwk.RSAKey.import_key(client.account.public_key)

            def authenticate_user(self, subject: str) -> str:
                return subject

            def has_granted_permission(self, client: Client, user: str) -> bool:
                return client.account.email == user

        return Grant

    def _save(self, token: dict[str, Any], request: Any) -> None:
        assert self.accounts is not None
        self.accounts.tokens[token["access_token"]] = request.client.account.email


@contextmanager
def start_token_server() -> Iterator[tuple[TokenServer, str]]:
    """The server, and its token_uri."""
    tokens = TokenServer()
    tokens.app.secret_key = token_hex()
    with serve(tokens.app, lambda: tokens.answer is not None) as url:
        yield tokens, f"{url}/token".replace("127.0.0.1", "localhost")


@contextmanager
def serve(app: Flask, is_spoiled: Callable[[], bool]) -> Iterator[str]:
    """Serve an app, in the live form unless a test spoils its answers, and yield its URL."""
    form = token_form()

    def live(exchange: Exchange, reply: Reply) -> Reply:
        return reply if is_spoiled() else form(exchange, reply)

    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        proxy = Proxy(f"http://127.0.0.1:{http.server_port}", live=live)
        with run_proxy(proxy, Exchange):
            yield proxy.url
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
