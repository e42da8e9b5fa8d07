"""``kms config schema``: a JSON Schema of the config file, for editors."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from kms_core import KmsError

if TYPE_CHECKING:
    from kms_core.backend import BackendConfig

Schema: TypeAlias = "dict[str, Any]"

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string"}
_FILLED: Schema = {"type": "string", "pattern": r"\$\{"}
"""A text with an environment variable, of which nobody knows what it will say."""

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
_EXAMPLES = """\b
Examples:
  kms config schema >kms.schema.json
"""


@click.command(epilog=_EXAMPLES)
def schema() -> None:
    """Write a JSON Schema of the config file, with the parameters of each installed backend.

    An editor that knows TOML then completes the names and underlines mistakes, as the docs say.
    """
    click.echo(json.dumps(file_schema(), indent=2, ensure_ascii=False))


def file_schema() -> Schema:
    """A JSON Schema of the config file, of draft 2020-12."""
    definitions: Schema = {}
    kek, storage, observer = (
        _backends(scheme, definitions) for scheme in ("kms", "storage", "observer")
    )
    parts = {
        "kek": {"anyOf": [*kek, {"type": "array", "minItems": 1, "items": {"anyOf": kek}}]},
        "storage": {"anyOf": storage},
        "observers": {"type": "array", "items": {"anyOf": [*observer, _TEXT]}},
        "cache": _cache(),
    }
    tables = {"type": "object", "additionalProperties": False}
    profiles = {"type": "object", "additionalProperties": {**tables, "properties": parts}}
    return {
        "$schema": _DRAFT,
        "title": "Configuration of kms-core",
        **tables,
        "properties": {**parts, "profile": profiles},
        "$defs": definitions,
    }


def _backends(scheme: str, definitions: Schema) -> list[Schema]:
    """What may stand for one backend: a URI, or a table of one that is installed."""
    from kms_core._plugins.loader import load_backend
    from kms_core._plugins.registry import find_backends

    kinds: list[Schema] = [{"type": "string", "pattern": rf"^{scheme}://|\$\{{"}]
    for found in find_backends():
        if found.scheme == scheme:
            try:
                implementation: Any = load_backend(scheme, found.name)[0]
            except KmsError as error:
                click.echo(f"kms: left out: {error}", err=True)
                continue
            table = _table(scheme, found.name, implementation.Config, definitions)
            definitions[f"{scheme}-{found.name}"] = table
            kinds.append({"$ref": f"#/$defs/{scheme}-{found.name}"})
    return kinds


def _table(scheme: str, name: str, model: type[BackendConfig], definitions: Schema) -> Schema:
    from msgspec.structs import fields

    from kms_core._plugins.parameters import secret_kinds

    words, secrets = _attributes(model), secret_kinds(model)
    properties: Schema = {"backend": {"const": name}, **_of_core(scheme)}
    for field in fields(model):
        about = {"description": words[field.name]} if field.name in words else {}
        properties[field.encode_name] = _parameter(field.type, definitions) | about
        if field.encode_name in secrets:
            properties[f"{field.encode_name}File"] = {**_TEXT, **about}
    required = [f.encode_name for f in fields(model) if f.required and f.encode_name not in secrets]
    return {
        "type": "object",
        "description": (inspect.getdoc(model) or "").partition("\n")[0],
        "properties": properties,
        "required": ["backend", *required],
        "additionalProperties": False,
    }


def _of_core(scheme: str) -> Schema:
    from kms_core._config.choices import CREATE_DEKS, RETIRED_VERSIONS

    versions = {"anyOf": [{"type": "array", "items": {**_TEXT, "minLength": 1}}, _TEXT]}
    whether = {"anyOf": [{"type": "boolean"}, _FILLED]}
    return {"kms": {RETIRED_VERSIONS: versions}, "storage": {CREATE_DEKS: whether}}.get(scheme, {})


def _cache() -> Schema:
    """What :func:`~kms_core._config.cache.choose_cache` takes."""
    seconds = {"anyOf": [{"type": "number", "minimum": 0}, _FILLED]}
    count = {"anyOf": [{"type": "integer", "minimum": 1}, _FILLED]}
    return {
        "type": "object",
        "properties": {
            "ttl": seconds,
            "maxUses": count,
            "maxEntries": count,
            "staleOnOutage": seconds,
        },
        "required": ["ttl"],
        "additionalProperties": False,
    }


def _parameter(kind: Any, definitions: Schema) -> Schema:
    from msgspec.json import schema_components

    [found], others = schema_components([kind], schema_hook=_own, ref_template="#/$defs/{name}")
    definitions.update(others)
    kinds = [one for one in found.get("anyOf", [found]) if one != {"type": "null"}]
    return {"anyOf": [*map(_plain, kinds), _FILLED]}


def _own(kind: type) -> Schema:
    """A class of a backend's own takes text, and maybe also what it is a kind of."""
    others: dict[str, type] = {"object": dict, "array": list, "integer": int, "number": float}
    return {"type": ["string", *(name for name, one in others.items() if issubclass(kind, one))]}


def _plain(kind: Schema) -> Schema:
    """Without what a Meta says to users who got it wrong, and with a pattern that editors know."""
    kind = {name: value for name, value in kind.items() if name != "description"}
    if "pattern" in kind:
        kind["pattern"] = kind["pattern"].replace(r"\Z", "$")
    return kind


def _attributes(model: type) -> dict[str, str]:
    """What the docstrings of a class and of those above it say of its fields."""
    texts = (inspect.cleandoc(one.__doc__ or "") for one in reversed(model.__mro__))
    found = (_ATTRIBUTE.findall(text) for text in texts)
    return {name: " ".join(words.split()) for pairs in found for name, words in pairs}
