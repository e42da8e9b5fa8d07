"""The ways to give a configuration: each leads to the same backends, with the same secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import pytest

import kms_core
from kms_core.cli.main import main
from tests.leaks.planted import Plants

Backend: TypeAlias = Mapping[str, Any]
Way: TypeAlias = Callable[[Plants, pytest.MonkeyPatch, Backend, Backend], Callable[[], object]]
"""Gives a KEK and a storage; returns what opens them and asks for a DEK."""


class Use:
    """Opens what it is given and asks for a DEK; nothing of it is shown as a caller's local."""

    def __init__(self, *backends: Any, **named: Any) -> None:
        self._backends, self._named = backends, named

    def __call__(self) -> None:
        with kms_core.open_kms(*self._backends, **self._named) as kms:
            kms.get_dek("id", create=True)


def as_parameters(_: Plants, __: pytest.MonkeyPatch, kek: Backend, storage: Backend) -> Use:
    return Use(kek, storage)


def as_uris(_: Plants, __: pytest.MonkeyPatch, kek: Backend, storage: Backend) -> Use:
    return Use(_uri("kms", kek), _uri("storage", storage))


def as_toml(plants: Plants, _: pytest.MonkeyPatch, kek: Backend, storage: Backend) -> Use:
    return Use(config=_file(plants, kek, storage))


def in_the_environment(_: Plants, patch: pytest.MonkeyPatch, kek: Backend, storage: Backend) -> Use:
    patch.setenv("KMS_KEK_URI", _uri("kms", kek))
    patch.setenv("KMS_STORAGE_URI", _uri("storage", storage))
    return Use()


def by_interpolation(
    plants: Plants, patch: pytest.MonkeyPatch, kek: Backend, storage: Backend
) -> Use:
    """TOML that names variables, of which each holds a text."""
    for number, (name, text) in enumerate({**kek, **storage}.items()):
        if name != "backend" and isinstance(text, str):
            patch.setenv(f"GIVEN_{number}", text)
            kek, storage = (
                {**part, name: f"${{GIVEN_{number}}}"} if part.get(name) == text else part
                for part in (kek, storage)
            )
    return Use(config=_file(plants, kek, storage))


class Command:
    """Runs ``kms`` in this process. Afterwards no reporter finds the command line, as ps does.

    Attributes:
        argv: the command line.
    """

    def __init__(self, *options: str) -> None:
        self.argv = ["kms", "--debug", *options, "dek", "get", "--create", "id"]

    def __call__(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", self.argv)
            main()


def on_a_command_line(_: Plants, __: pytest.MonkeyPatch, kek: Backend, storage: Backend) -> Command:
    return Command("--kek", _uri("kms", kek), "--storage", _uri("storage", storage))


def by_a_command_that_reads_toml(
    plants: Plants, _: pytest.MonkeyPatch, kek: Backend, storage: Backend
) -> Command:
    return Command("--config", _file(plants, kek, storage))


WAYS: tuple[Way, ...] = (
    *(as_parameters, as_uris, as_toml, in_the_environment, by_interpolation),
    *(on_a_command_line, by_a_command_that_reads_toml),
)


def _uri(scheme: str, parameters: Backend) -> str:
    given = {name: _shown(value) for name, value in parameters.items() if name != "backend"}
    return f"{scheme}://{parameters['backend']}?{urlencode(given, quote_via=quote)}"


def _file(plants: Plants, kek: Backend, storage: Backend) -> str:
    lines = ["[kek]", *_toml(kek), "[storage]", *_toml(storage)]
    return plants.file("kms.toml", "\n".join(lines))


def _toml(parameters: Backend) -> list[str]:
    """A text of JSON is one of TOML."""
    return [f"{name} = {json.dumps(value)}" for name, value in parameters.items()]


def _shown(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
