"""All that ``kms doctor`` tries, in order."""

from __future__ import annotations

import hmac
from contextlib import closing
from secrets import token_hex
from typing import Protocol, cast

from kms_core._config.choices import Choices, ChosenBackend
from kms_core._doctor.keks import examine_kek
from kms_core._doctor.leftovers import remove_records
from kms_core._doctor.report import Report, Section, split_message
from kms_core._doctor.stores import OwnIds, examine_store
from kms_core._plugins.clients import DeriverClient, KekClient, StorageClient
from kms_core._plugins.prepared import PreparedBackend, prepare
from kms_core.backend.hookspecs import DeriverSpec
from kms_core.errors import BackendContractError, KmsError
from kms_core.kms import Kms

PREFIX = "kms-doctor-"
"""What the ids of all records begin with that are made here."""


class SetUp(Protocol):
    """What is examined."""

    def choices(self) -> Choices:
        """What is configured, unopened."""

    def open(self) -> Kms:
        """Open it, as a program does."""


def examine(set_up: SetUp, origin: str, report: Report) -> None:
    """Try whether ``get_dek`` would work, by real calls; what is written is removed again.

    Args:
        set_up: what is configured.
        origin: where that comes from, in words.
        report: gets what is found.
    """
    chosen = _choose(set_up, origin, report)
    if chosen is None:
        return
    keks = _examine_keks(chosen, report)
    derives = any(kek.spec is DeriverSpec for kek in keks)
    ids = OwnIds(f"{PREFIX}{token_hex(6)}-")
    store = None if derives else _prepare(_section(chosen.storage, report), chosen.storage)
    try:
        if store is not None:
            section = _section(chosen.storage, report)
            examine_store(section, store, ids, may_create=chosen.may_create)
        _examine_whole(set_up, report, ids, makes=chosen.may_create or derives)
    finally:
        if store is not None and ids.made:
            _clean_up(_section(chosen.storage, report), store, ids)


def check_quickly(set_up: SetUp, origin: str, report: Report) -> None:
    """Ask each KMS and the store whether they would serve a call, as a probe of liveness does.

    Nothing is written; that is one call of each.
    """
    chosen = _choose(set_up, origin, report)
    if chosen is None:
        return
    derives = False
    for kek in chosen.keks:
        prepared = _check(_section(kek, report), kek)
        derives = derives or (prepared is not None and prepared.spec is DeriverSpec)
    if not derives:
        _check(_section(chosen.storage, report), chosen.storage)


def _choose(set_up: SetUp, origin: str, report: Report) -> Choices | None:
    section = Section(report, "config", "CONFIG")
    try:
        chosen = set_up.choices()
    except KmsError as error:
        section.find("read", "WRONG", *split_message(error), fails=True)
        return None
    section.ok("read", origin)
    return chosen


def _section(chosen: ChosenBackend, report: Report) -> Section:
    return Section(report, chosen.backend, "KEK" if chosen.scheme == "kms" else "STORE")


def _prepare(section: Section, chosen: ChosenBackend) -> PreparedBackend | None:
    return section.attempt(
        "plugin", lambda: prepare(chosen), lambda prepared: prepared.found.distribution
    )


def _examine_keks(chosen: Choices, report: Report) -> list[PreparedBackend]:
    prepared = []
    for number, kek in enumerate(chosen.keks):
        section = _section(kek, report)
        found = _prepare(section, kek)
        if found is not None:
            examine_kek(section, found, wraps=number == 0 and chosen.may_create)
            prepared.append(found)
    return prepared


def _check(section: Section, chosen: ChosenBackend) -> PreparedBackend | None:
    prepared = _prepare(section, chosen)
    client = prepared and section.attempt("open", prepared.open)
    if isinstance(client, (KekClient, DeriverClient, StorageClient)):
        with closing(client):
            section.attempt("check_health", client.check_health)
    return prepared


def _examine_whole(set_up: SetUp, report: Report, ids: OwnIds, *, makes: bool) -> None:
    """Get a DEK, and get it again by a fresh client, if all that it takes has passed."""
    section = Section(report, "get_dek", "DEK")
    if not report.proves:
        section.skip("get", "something that it needs has not passed")
    elif not makes:
        section.skip("get", "createDeks=false: no DEK is made")
    else:
        section.attempt("get", lambda: _get_twice(set_up, ids.new()))


def _get_twice(set_up: SetUp, dek_id: str) -> None:
    with set_up.open() as kms:
        made = kms.get_dek(dek_id, create=True)
    with set_up.open() as kms:
        got = kms.get_dek(dek_id)
    if not hmac.compare_digest(made, got):
        raise BackendContractError("one id has two DEKs; report it to the backends' authors")


def _clean_up(section: Section, store: PreparedBackend, ids: OwnIds) -> None:
    try:
        with closing(cast("StorageClient", store.open())) as client:
            left = remove_records(client, ids.made)
    except KmsError as error:
        left = dict.fromkeys(ids.made, error)
    if left:
        cause, _ = split_message(next(iter(left.values())))
        text = f"{len(left)} records whose ids begin with {ids.prefix} may be left: {cause}"
        cure = "they harm nothing; have somebody who may delete run `kms dek delete` for each"
        section.find("clean up", "LEFT", text, cure)
    else:
        section.ok("clean up", f"{len(ids.made)} records that this made are removed")
