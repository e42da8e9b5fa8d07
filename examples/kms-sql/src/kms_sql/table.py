"""The table with the records, one row for each."""

from __future__ import annotations

import secrets

from kms_core import MAX_DEK_ID_SIZE
from kms_core.backend import MAX_RECORD_SIZE
from sqlalchemy import Column, LargeBinary, MetaData, String, Table

_REVISION_SIZE = 32


def make_table(name: str) -> Table:
    """Ids are bytes, because what a text equals depends on collation, case and normal form."""
    return Table(
        name,
        MetaData(),
        Column("dek_id", LargeBinary(MAX_DEK_ID_SIZE), primary_key=True),
        Column("data", LargeBinary(MAX_RECORD_SIZE), nullable=False),
        Column("revision", String(_REVISION_SIZE), nullable=False),
    )


def new_revision() -> str:
    """A token of 128 random bits: none comes twice, not even after a delete and a create."""
    return secrets.token_hex(_REVISION_SIZE // 2)
