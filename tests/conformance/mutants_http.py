"""Faults to put into the pair over HTTP: what stands there, and what a mistake makes it."""

# ruff: noqa: E501 -- a table of lines of code

from __future__ import annotations

from tests.conformance.mutants import Mutant


def _client(old: str, new: str) -> Mutant:
    return Mutant("http_pair", "client", old, new)


def _errors(old: str, new: str) -> Mutant:
    return Mutant("http_pair", "errors", old, new)


def _kek(old: str, new: str) -> Mutant:
    return Mutant("http_pair", "kek", old, new)


def _storage(old: str, new: str) -> Mutant:
    return Mutant("http_pair", "storage", old, new)


_OF_CLIENT = (
    _client("timeout=timeout, retries", "timeout=None, retries"),
    _client("response.status // 100 != 2", "response.status >= 500"),
    _client("response.status // 100 != 2", "400 <= response.status < 500"),
    _client("redirect=False,", "redirect=True, retries=3,"),
    _client("response.read(request.most)", "response.read()"),
    _client(
        "response.read(request.most)", "response.read(request.most, decode_content=True)[:4096]"
    ),
    _client(
        "            body = response.read(request.most)\n",
        "            try:\n                body = response.read(request.most)\n            except urllib3.exceptions.HTTPError:\n                body = b''\n",
    ),
    _client("if error.status != 401:", "if True:"),
    _client(
        "        with translate_errors(table, request.method, request.path):\n",
        "        if True:\n",
    ),
    _client(
        'translate_errors(TOKEN, "get a token"',
        'translate_errors(TOKEN, f"get a token with {secret}"',
    ),
    _client(
        '{request.path}",\n',
        "{request.path}{'&' if '?' in request.path else '?'}token={token}\",\n",
    ),
    _client(
        "        if response.status // 100",
        "        print(bearer)\n        if response.status // 100",
    ),
    _client(
        "        if response.status // 100",
        "        __import__('logging').getLogger('http.pair').debug('%s', request)\n        if response.status // 100",
    ),
    _client("        self._sessions.close()", "        raise RuntimeError"),
    _client("        self._sessions.close()", "        _Session.pool = property(None)"),
    _client("        self._sessions.close()", "        return"),
    _client(
        "PerProcess(lambda: _Session(config), _Session.close)",
        "globals().setdefault('shared', PerProcess(lambda: _Session(config), _Session.close))",
    ),
    _client(
        "retries=False",
        "retries=urllib3.Retry(2, status_forcelist=[404, 412], allowed_methods=None, raise_on_status=True)",
    ),
)
_OF_ERRORS = (
    _errors("    5: _AWAY,", "    5: Meaning(DekNotFoundError),"),
    _errors("    5: _AWAY,", "    5: Meaning(KekNotFoundError),"),
    _errors("    5: _AWAY,\n", ""),
    _errors("    HTTPError: _AWAY,", "    HTTPError: Meaning(DekNotFoundError),"),
    _errors("    HTTPError: _AWAY,", "    HTTPError: Meaning(UnwrapError),"),
    _errors("    HTTPError: _AWAY,", "    HTTPError: Meaning(ThrottledError),"),
    _errors("(HTTPError, RefusalError)", "(RefusalError,)"),
    _errors("429: Meaning(ThrottledError,", "429: Meaning(AccessDeniedError,"),
    _errors("403: Meaning(AccessDeniedError,", "403: Meaning(UnavailableError,"),
    _errors('"NoSuchKey": Meaning(KekNotFoundError,', '"NoSuchKey": Meaning(ConfigError,'),
    _errors(
        '"KeyDisabled": Meaning(KekDisabledError,', '"KeyDisabled": Meaning(AccessDeniedError,'
    ),
    _errors('"BadCiphertext": Meaning(UnwrapError)', '"BadCiphertext": Meaning(UnavailableError)'),
    _errors('"NoSuchFolder": Meaning(ConfigError,', '"NoSuchFolder": Meaning(DekNotFoundError,'),
    _errors('"NoSuchRecord": Meaning(DekNotFoundError,', '"NoSuchRecord": Meaning(ConflictError,'),
    _errors('"Changed": Meaning(ConflictError,', '"Changed": Meaning(DekExistsError,'),
    _errors('"Exists": Meaning(DekExistsError,', '"Exists": Meaning(ConflictError,'),
)
_OF_KEK = (
    _kek("_encode(encode_context(context))", "''"),
    _kek("_encode(encode_context(context))", "_encode(context.get('dek_id', '').encode())"),
    _kek("_encode(encode_context(context))", "_encode('/'.join(context.values()).encode())"),
    _kek("check_kek(wrapped, self._path, _ALGORITHM)", "pass"),
    _kek("check_kek(wrapped, self._path, _ALGORITHM)", "check_kek(wrapped, self._path)"),
    _kek("check_kek(wrapped, self._path, _ALGORITHM)", "self._path = wrapped.kek_id"),
    _kek('"version": wrapped.kek_version', '"version": self.describe_kek().kek_version'),
    _kek('version = read_part(reply, "version", str)', "version = '1'"),
    _kek(
        'WrappedDek(_decode(reply, "ciphertext")', 'WrappedDek(dek + _decode(reply, "ciphertext")'
    ),
    _kek('_decode(reply, "ciphertext"), self._path', "_decode(reply, \"ciphertext\"), 'the KEK'"),
    _kek("_encode(dek)}", "_encode(dek[:32])}"),
    _kek("_encode(dek)}", "_encode(dek.strip())}"),
    _kek('context), "plaintext")', 'context), "plaintext").rstrip(bytes(1))'),
    _kek(
        '        return _decode(self._call("unwrap", sealed, context), "plaintext")',
        '        seen, key = self.__dict__.setdefault("seen", {}), (wrapped.ciphertext, encode_context(context))\n        if key not in seen:\n            seen[key] = _decode(self._call("unwrap", sealed, context), "plaintext")\n        return seen[key]',
    ),
    _kek(
        '        reply = parse_json(self._client.call(KEK, Request("GET", self._path)).body)\n',
        '        reply = {"version": "1"}\n',
    ),
    _kek(
        "        return parse_json(self._client.call(KEK, request).body)\n",
        "        self._text = request\n        __import__('time').sleep(0.01)\n        return parse_json(self._client.call(KEK, self._text).body)\n",
    ),
    _kek(
        "        self._client = HttpClient(config)\n",
        "        self._client = HttpClient(config)\n        self.__class__.__repr__ = lambda s: config.client_secret.get_secret_value()\n",
    ),
    _kek("self._path}/{action}", "self._path}/{action}?{text}"),
)
_OF_STORAGE = (
    _storage('{"If-None-Match": "*"}', "{}"),
    _storage(
        '        return self._put(dek_id, data, {"If-None-Match": "*"})',
        "        try:\n            self.load_record(dek_id)\n        except __import__('kms_core').DekNotFoundError:\n            return self._put(dek_id, data, {})\n        raise __import__('kms_core').DekExistsError",
    ),
    _storage(
        '        return self._put(dek_id, data, {"If-None-Match": "*"})',
        "        try:\n            return self._put(dek_id, data, {'If-None-Match': '*'})\n        except __import__('kms_core').UnavailableError:\n            return self.load_record(dek_id).revision",
    ),
    _storage(
        '        return self._put(dek_id, data, {"If-None-Match": "*"})',
        "        try:\n            return self._put(dek_id, data, {'If-None-Match': '*'})\n        except __import__('kms_core').DekExistsError:\n            return self.load_record(dek_id).revision",
    ),
    _storage(
        '        return self._put(dek_id, data, {"If-None-Match": "*"})',
        "        revision = self._put(dek_id, b'', {'If-None-Match': '*'})\n        return self._put(dek_id, data, {'If-Match': revision})",
    ),
    _storage('data, {"If-Match": revision})', "data, {})"),
    _storage(
        'data, {"If-Match": revision})', "data, {'If-Match': self.load_record(dek_id).revision})"
    ),
    _storage('headers={"If-Match": revision})', "headers={})"),
    _storage(
        'headers={"If-Match": revision})',
        "headers={'If-Match': self.load_record(dek_id).revision})",
    ),
    _storage(
        '        request = Request("DELETE"',
        '        self.load_record(dek_id)\n        return\n        request = Request("DELETE"',
    ),
    _storage(
        'return read_part(reply.headers, "ETag", str)', 'return reply.headers["ETag"].strip(\'"\')'
    ),
    _storage('return read_part(reply.headers, "ETag", str)', "return str(len(reply.body))"),
    _storage("MAX_RECORD_SIZE + 1)", "MAX_RECORD_SIZE)"),
    _storage("MAX_RECORD_SIZE + 1)", "4096)"),
    _storage(
        "        return StoredRecord(reply.body, _revision(reply))\n",
        "        stored = StoredRecord(reply.body, _revision(reply))\n        return self.__dict__.setdefault('seen', {}).setdefault(dek_id, stored)\n",
    ),
    _storage(
        '            if not read_part(page, "more", bool):\n                return\n',
        "            return\n",
    ),
    _storage("after = names[-1]", "after = names[-1] + '~'"),
    _storage("after = names[-1]", "after = names[-2]"),
    _storage("if dek_id.startswith(prefix))", "if True)"),
    _storage("encode_object_prefix(prefix), ", "prefix, "),
    _storage(
        "ids = filter(None, map(decode_object_name, names))",
        "ids = __import__('itertools').takewhile(bool, map(decode_object_name, names))",
    ),
    _storage(
        "ids = filter(None, map(decode_object_name, names))",
        "ids = [name.removesuffix('.json') for name in names]",
    ),
    _storage("encode_object_name(dek_id)}", "encode_object_name(dek_id.lower())}"),
    _storage("encode_object_name(dek_id)}", "dek_id}.json"),
    _storage("encode_object_name(dek_id)}", "encode_object_name(dek_id)[:200]}"),
    _storage(
        'StorageInfo(f"{config.endpoint}{self._path}")',
        'StorageInfo(f"{config.endpoint}{self._path}?{config.client_secret.get_secret_value()}")',
    ),
    _storage(
        'StorageInfo(f"{config.endpoint}{self._path}")', 'StorageInfo(f"{self._path} {id(self)}")'
    ),
    _storage(
        'Request("PUT", self._url(dek_id), data, condition)',
        'Request("PUT", self._url(dek_id), data.replace(b"\\r\\n", b"\\n"), condition)',
    ),
    _storage(
        'Request("PUT", self._url(dek_id), data, condition)',
        'Request("PUT", self._url(dek_id), data.strip(), condition)',
    ),
    _storage(
        "        return _revision(self._client.call(STORAGE, request))",
        "        self._client.call(STORAGE, request)\n        return self.load_record(dek_id).revision",
    ),
)

_BY_OURSELVES = (  # what nobody had named
    _client("retries=False", "retries=False, cert_reqs='CERT_NONE'"),
    _client(
        "        if response.status // 100",
        "        if response.status >= 500:\n            __import__('logging').getLogger('pair').warning('failed: %s', bearer)\n        if response.status // 100",
    ),
    _client(
        "        with translate_errors(table, request.method",
        "        self.last = request\n        with translate_errors(table, request.method",
    ),
    _client(
        "retries=False",
        "retries=urllib3.Retry(5, status_forcelist=[503], allowed_methods=None, raise_on_status=False)",
    ),
    _client('Request("POST", "/token", login)', 'Request("POST", f"/token?{secret}", login)'),
    _client(
        "preload_content=False,",
        "preload_content=False,\n            enforce_content_length=False,",
    ),
    _client(
        "            session.token, session.expires",
        "            open('token', 'w').write(token)\n            session.token, session.expires",
    ),
    _client(
        "PerProcess(lambda: _Session(config), _Session.close)",
        "type('PerThread', (__import__('threading').local,), {'get': lambda s: s.__dict__.setdefault('it', _Session(config)), 'close': lambda s: s.get().close()})()",
    ),
    Mutant(
        "http_pair",
        "config",
        "class HttpConfig(ServiceConfig):",
        "class SecretStr(str):\n    get_secret_value = str.__str__\n\n\nclass HttpConfig(ServiceConfig):",
    ),
    _errors('"Full": Meaning(ThrottledError,', '"Full": Meaning(DekExistsError,'),
    _kek(
        '        reply = parse_json(self._client.call(KEK, Request("GET", self._path)).body)\n',
        '        if "known" not in self.__dict__:\n            self.known = parse_json(self._client.call(KEK, Request("GET", self._path)).body)\n        reply = self.known\n',
    ),
    _storage("        while True:\n", "        for _ in range(3):\n"),
    _storage(
        '        return self._put(dek_id, data, {"If-Match": revision})',
        "        try:\n            return self._put(dek_id, data, {'If-Match': revision})\n        except __import__('kms_core').UnavailableError:\n            return self._put(dek_id, data, {})",
    ),
    _storage(
        "        self._client.call(STORAGE, request)\n\n    @hookimpl\n    def list",
        "        try:\n            self._client.call(STORAGE, request)\n        except __import__('kms_core').UnavailableError:\n            self._client.call(STORAGE, request._replace(headers={}))\n\n    @hookimpl\n    def list",
    ),
)

MUTANTS = (*_OF_CLIENT, *_OF_ERRORS, *_OF_KEK, *_OF_STORAGE, *_BY_OURSELVES)
