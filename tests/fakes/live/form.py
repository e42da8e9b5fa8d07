"""Gives what test servers answer the form of the live service's answers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

from tests.fakes.live.table import Row, Table
from tests.fakes.proxy import Exchange, Reply

Name: TypeAlias = Callable[[Exchange], str]
Rewrite: TypeAlias = Callable[[str, Reply, int], None]
"""Says what else is known of the answers to a call; takes how many like this one came before."""

Tree: TypeAlias = dict[str, Any]


class LiveForm:
    """Lets through only what the table lists. What is on some answers only is on every second.

    An answer without a listed Content-Length is sent in chunks.
    """

    def __init__(
        self,
        table: Table,
        name_call: Name,
        rewrite: Rewrite = lambda *_: None,
        finish: Rewrite = lambda *_: None,
    ) -> None:
        self._table, self._name_call = table, name_call
        self._rewrite, self._finish = rewrite, finish
        self._turns: dict[tuple[str, int], Any] = defaultdict(count)

    def __call__(self, exchange: Exchange, reply: Reply) -> Reply:
        call = self._name_call(exchange)
        turn = next(self._turns[call, reply.status])
        self._rewrite(call, reply, turn)
        rows = self._table.find(call, reply.status)
        if not rows:
            exchange.proxy.unlisted.append(f"{self._table.service}: {call} {reply.status}")
            return Reply(HTTPStatus.NOT_IMPLEMENTED, b"see the table of live answers")
        formed = _only_listed(rows, reply, turn)
        self._finish(call, formed, turn)
        return formed


def _only_listed(rows: list[Row], reply: Reply, turn: int) -> Reply:
    headers = {name.lower() for name in _present((n for r in rows for n in r.headers), turn)}
    kept = [(name, value) for name, value in reply.headers if name.lower() in headers]
    fields = _present((field for row in rows for field in row.body), turn)
    chunked = "content-length" not in headers
    return Reply(reply.status, prune(reply.body, fields), kept, chunked=chunked)


def _present(names: Iterable[str], turn: int) -> list[str]:
    return [name.rstrip("?") for name in names if turn % 2 or not name.endswith("?")]


def prune(body: bytes, fields: list[str]) -> bytes:
    """Only these fields of a body of JSON or XML."""
    if not body or fields == ["*"]:
        return body
    if not fields:
        return b""
    try:
        return _prune_xml_text(body, fields) if b"<" in body[:9] else _prune_json_text(body, fields)
    except (ValueError, ET.ParseError):
        return body  # plain text, such as an error's


def _prune_xml_text(body: bytes, fields: list[str]) -> bytes:
    root = ET.fromstring(body)
    _prune_xml(root, _tree(fields))
    return ET.tostring(root)


def _prune_json_text(body: bytes, fields: list[str]) -> bytes:
    return json.dumps(_prune_json(json.loads(body), _tree(fields))).encode()


def _tree(fields: list[str]) -> Tree:
    tree: Tree = {}
    for field in fields:
        node = tree
        for name in field.split("."):
            node = node.setdefault(name, {})
    return tree


def _prune_json(value: Any, tree: Mapping[str, Any]) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_prune_json(one, tree) for one in value]
    if isinstance(value, dict):
        return {name: _prune_json(value[name], tree[name]) for name in value if name in tree}
    return value


def _prune_xml(element: ET.Element, tree: Mapping[str, Any]) -> None:
    for child in list(element) if tree else ():
        name = child.tag.rpartition("}")[2]
        if name in tree:
            _prune_xml(child, tree[name])
        else:
            element.remove(child)
