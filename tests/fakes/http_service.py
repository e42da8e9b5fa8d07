"""Keys and records over HTTP, for who has a token: no cloud's, but what RFC 9110 makes of both."""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.fakes.thread import Handler, HttpServer

PAGE_SIZE = 20


class RefusalError(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


class Answer(NamedTuple):
    """What the service answers."""

    status: int
    body: bytes
    etag: str = ""


@dataclass
class HttpService:
    """What the server serves: keys with their versions, and folders of records with their ETags."""

    clients: dict[str, str] = field(default_factory=lambda: {"one": secrets.token_hex(16)})
    forbidden: set[str] = field(default_factory=set)
    keys: dict[str, list[bytes]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    folders: dict[str, dict[str, tuple[bytes, str]]] = field(default_factory=dict)
    is_full: bool = False
    lock: RLock = field(default_factory=RLock)

    def __post_init__(self) -> None:
        self.renew_tokens()

    def renew_tokens(self) -> None:
        """Take no token that was given so far."""
        self.tokens = {client: secrets.token_urlsafe(24) for client in self.clients}

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> Answer:
        """The answer to a request, whoever it comes through."""
        try:
            return Answer(200, *self._do(method, urlsplit(path), body, headers))
        except RefusalError as error:
            return Answer(error.status, _json({"code": error.code}))
        except (KeyError, TypeError, ValueError):  # in what was altered on the way
            return Answer(400, _json({"code": "BadRequest"}))

    def _do(self, method: str, url: SplitResult, body: bytes, headers: Any) -> tuple[bytes, str]:
        kind, *names = [unquote(piece) for piece in url.path.removeprefix("/").split("/", 2)]
        if kind == "token":
            return _json(self.give_token(json.loads(body))), ""
        self.check_token(headers.get("Authorization", ""))
        if kind == "keys":
            name, action = [*names, ""][:2]
            return _json(self.use_key(name, action, json.loads(body or "null"))), ""
        folder, name = [*names, ""][:2]
        if not name:
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            prefix, after = query.get("prefix", ""), query.get("after", "")
            return _json(self.list_names(folder, prefix, after)), ""
        if method == "PUT":
            return b"", self.put(folder, name, body, headers)
        if method == "DELETE":
            self.delete(folder, name, headers)
            return b"", ""
        return self.load(folder, name)

    def give_token(self, login: Any) -> dict[str, Any]:
        if self.clients.get(login["id"]) != login["secret"]:
            raise RefusalError(401, "BadLogin")
        return {"token": self.tokens[login["id"]], "seconds": 3600}

    def check_token(self, bearer: str) -> None:
        client = next((c for c, token in self.tokens.items() if bearer == f"Bearer {token}"), None)
        if client is None:
            raise RefusalError(401, "BadToken")
        if client in self.forbidden:
            raise RefusalError(403, "Forbidden")

    def use_key(self, name: str, action: str, request: Any) -> dict[str, str]:
        versions = self.keys.get(name)
        if versions is None:
            raise RefusalError(404, "NoSuchKey")
        if name in self.disabled:
            raise RefusalError(409, "KeyDisabled")
        newest = str(len(versions))
        if not action:
            return {"version": newest}
        aad = b64decode(request["aad"])
        if action == "wrap":
            nonce, dek = os.urandom(12), b64decode(request["plaintext"])
            sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, dek, aad)
            return {"ciphertext": b64encode(sealed).decode(), "version": newest}
        known = {str(number): key for number, key in enumerate(versions, 1) if key}
        if request["version"] not in known:
            raise RefusalError(404, "NoSuchKey")
        sealed = b64decode(request["ciphertext"])
        try:
            dek = AESGCM(known[request["version"]]).decrypt(sealed[:12], sealed[12:], aad)
        except (InvalidTag, ValueError):
            raise RefusalError(400, "BadCiphertext") from None
        return {"plaintext": b64encode(dek).decode()}

    def list_names(self, folder: str, prefix: str, after: str) -> dict[str, Any]:
        with self.lock:
            names = sorted(n for n in self._folder(folder) if n.startswith(prefix) and n > after)
        return {"names": names[:PAGE_SIZE], "more": len(names) > PAGE_SIZE}

    def load(self, folder: str, name: str) -> tuple[bytes, str]:
        record = self._folder(folder).get(name)
        if record is None:
            raise RefusalError(404, "NoSuchRecord")
        return record

    def put(self, folder: str, name: str, data: bytes, headers: Any) -> str:
        with self.lock:
            self._check_condition(folder, name, headers)
            if self.is_full:
                raise RefusalError(507, "Full")
            etag = f'"{secrets.token_hex(8)}"'
            self._folder(folder)[name] = data, etag
        return etag

    def delete(self, folder: str, name: str, headers: Any) -> None:
        with self.lock:
            self._check_condition(folder, name, headers)
            self._folder(folder).pop(name, None)

    def _folder(self, name: str) -> dict[str, tuple[bytes, str]]:
        if name not in self.folders:
            raise RefusalError(404, "NoSuchFolder")
        return self.folders[name]

    def _check_condition(self, folder: str, name: str, headers: Any) -> None:
        """As RFC 9110, sections 13.1.1 and 13.1.2, with a code that tells what is the matter."""
        if headers.get("If-None-Match") == "*" and name in self._folder(folder):
            raise RefusalError(412, "Exists")
        match = headers.get("If-Match")
        if match is not None and self.load(folder, name)[1] != match:
            raise RefusalError(412, "Changed")


class ServiceHandler(Handler):
    """Finds the service's answer to each request."""

    server: HttpServer

    def do_GET(self) -> None:  # noqa: N802 -- http.server's name
        service: HttpService = self.server.subject
        answer = service.answer(self.command, self.path, self.read_body(), self.headers)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.etag:
            self.send_header("ETag", answer.etag)
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 -- likewise


def _json(value: dict[str, Any] | dict[str, str]) -> bytes:
    return json.dumps(value).encode()
