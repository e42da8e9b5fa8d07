"""Tries a KEK: by a real wrap, and an unwrap through another client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from secrets import token_bytes
from typing import cast

from kms_core._doctor.network import examine_network
from kms_core._doctor.report import Section, lacks_permission
from kms_core._plugins.clients import AnyClient, DeriverClient, KekClient
from kms_core._plugins.prepared import PreparedBackend
from kms_core._values import KekInfo, Risk, WrappedDek
from kms_core.errors import KmsError

_CONTEXT = {"dek_id": "kms-doctor", "size": "32"}


def examine_kek(section: Section, kek: PreparedBackend, *, wraps: bool) -> None:
    """Try a KEK.

    Args:
        section: gets what is found.
        kek: the KEK.
        wraps: whether ``get_dek`` has it wrap; else it only unwraps what is stored already.
    """
    since = len(section.report.rows)
    examine_network(section, kek.implementation, kek.config)
    with ExitStack() as stack:
        client = open_client(section, kek, stack)
        if isinstance(client, DeriverClient):
            _examine_deriver(section, client)
        elif isinstance(client, KekClient):
            client.retired = kek.chosen.retired_versions
            _describe(section, client)
            _examine_wrapping(section, client, kek, wraps=wraps)
            needed = {"describe_kek", "unwrap_dek", *["wrap_dek"] * wraps}
            section.tell_permissions(kek.implementation.permissions, needed, since)
            find_risks(section, client.find_risks)


def open_client(section: Section, kek: PreparedBackend, stack: ExitStack) -> AnyClient | None:
    """Open a client, and say by whose credentials."""
    said = getattr(kek.config, "credentials", "")
    shown = f"credentials: {said}" if said else ""
    client = section.attempt("open", kek.open, lambda _: shown)
    return client and stack.enter_context(closing(client))


def find_risks(section: Section, find: Callable[[], list[Risk]]) -> None:
    """Note what the backend knows of itself; what it cannot find out is no finding."""
    try:
        section.tell_risks(find())
    except KmsError as error:
        section.skip("find_risks", str(error.args[0]))


def _describe(section: Section, client: KekClient | DeriverClient) -> None:
    try:
        section.ok("describe_kek", _show(client.describe_kek()))
    except KmsError as error:  # not every backend needs this permission to wrap and unwrap
        section.fail("describe_kek", error, needed=not lacks_permission(error))


def _show(kek: KekInfo) -> str:
    version = kek.kek_version or kek.key_material
    return " ".join([kek.kek_id, *([f"version {version}"] if version else []), kek.algorithm])


def _examine_wrapping(
    section: Section, client: KekClient, kek: PreparedBackend, *, wraps: bool
) -> None:
    dek = token_bytes(32)
    try:
        wrapped = client.wrap(dek, _CONTEXT)
    except KmsError as error:
        may_lack = not wraps and lacks_permission(error)
        section.fail("wrap_dek", error, needed=not may_lack)
        if may_lack:
            section.skip("unwrap_dek", "nothing could be wrapped to try it with")
        return
    section.ok("wrap_dek")
    section.attempt("unwrap_dek", lambda: _unwrap(kek, wrapped, dek), lambda _: "by a fresh client")


def _unwrap(kek: PreparedBackend, wrapped: WrappedDek, dek: bytes) -> None:
    with closing(cast("KekClient", kek.open())) as fresh:
        fresh.prove_wrapped(wrapped, _CONTEXT, dek)


def _examine_deriver(section: Section, client: DeriverClient) -> None:
    _describe(section, client)
    section.attempt("derive_dek", partial(client.derive_dek, "kms-doctor", 32), lambda _: "")
