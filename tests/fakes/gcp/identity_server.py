"""Other ways to a token: Google's STS, IAM Credentials, and a virtual machine's metadata server.

Ours, by their reference: RFC 8693 as https://cloud.google.com/iam/docs/reference/sts/rest says it,
generateAccessToken, and https://cloud.google.com/compute/docs/metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from flask import Flask, request

from tests.fakes.gcp.accounts import Accounts
from tests.fakes.gcp.token_server import serve

POOL = "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/p/providers/q"


@dataclass
class Identities:
    """Who is who, and what was asked.

    Attributes:
        subjects: a token of somebody else's → the service account that it stands for.
        instance: whose the virtual machine is.
        universe: what its metadata server says.
        answer: in place of every answer.
    """

    accounts: Accounts
    subjects: dict[str, str] = field(default_factory=dict)
    instance: str = ""
    universe: str = "googleapis.com"
    answer: tuple[str, int] | None = None
    seen: list[str] = field(default_factory=list)
    url: str = ""

    def make_app(self) -> Flask:
        app = Flask("identity-server")
        app.before_request(self._note)
        app.post("/v1/token")(self._exchange)
        app.post("/v1/projects/-/serviceAccounts/<name>")(self._impersonate)
        metadata = "/computeMetadata/v1/"
        app.get(metadata + "universe/universe-domain")(self._place)
        app.get(metadata + "project/project-id")(self._project)
        app.get(metadata + "instance/service-accounts/default/")(self._describe)
        app.get(metadata + "instance/service-accounts/<name>/token")(self._give)
        app.get("/")(self._ping)
        return app

    def _note(self) -> Any:
        self.seen.append(request.path)
        return self.answer

    def _exchange(self) -> Any:
        email = self.subjects.get(request.form["subject_token"])
        if request.form["audience"] != POOL or email is None:
            return {"error": "invalid_grant", "error_description": "PRIVATE"}, 400
        token = self._issue(email)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        issued = {"access_token": token, "issued_token_type": kind}
        return {**issued, "token_type": "Bearer", "expires_in": 3600}

    def _impersonate(self, name: str) -> Any:
        header = request.headers.get("Authorization", "")
        who = self.accounts.tokens.get(header.removeprefix("Bearer "))
        email = name.removesuffix(":generateAccessToken")
        if who is None or "iam.serviceAccounts.getAccessToken" not in (
            self.accounts.known[who].permissions
        ):
            return {"error": {"code": 403, "status": "PERMISSION_DENIED"}}, 403
        until = datetime.now(UTC) + timedelta(hours=1)
        return {"accessToken": self._issue(email), "expireTime": f"{until:%Y-%m-%dT%H:%M:%SZ}"}

    def _ping(self) -> Any:
        return "", self._flavor()

    def _place(self) -> Any:
        return self.universe, self._flavor()

    def _project(self) -> Any:
        return "test-project", self._flavor()

    def _describe(self) -> Any:
        account = {"aliases": ["default"], "email": self.instance, "scopes": []}
        return account, self._flavor()

    def _give(self, name: str) -> Any:
        assert name in {"default", self.instance}
        token = {"access_token": self._issue(self.instance), "expires_in": 3600}
        return {**token, "token_type": "Bearer"}, self._flavor()

    def _issue(self, email: str) -> str:
        token = f"ya29.{token_hex(16)}"
        self.accounts.tokens[token] = email
        return token

    @staticmethod
    def _flavor() -> dict[str, str]:
        return {"Metadata-Flavor": "Google"}


@contextmanager
def start_identities(accounts: Accounts) -> Iterator[Identities]:
    """Serve on a free port of the loopback interface."""
    identities = Identities(accounts)
    with serve(identities.make_app(), lambda: identities.answer is not None) as identities.url:
        yield identities
