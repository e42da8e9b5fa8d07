"""A fixture for the tests of a program that uses DEKs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from kms_core import Kms, open_kms
from kms_core.builtin.local.key_file import new_key_file


@pytest.fixture
def memory_kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kms]:
    """A :class:`~kms_core.Kms` for one test: a fresh KEK, and records that only the test has.

    It wraps and binds as a real one does. Import it in a conftest.py, and name it as a parameter.
    """
    key_file = tmp_path_factory.mktemp("kms-core") / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file(), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # losing every DEK is what a test wants
        kms = open_kms({"backend": "local", "keyFile": str(key_file)}, "storage://memory")
    with kms:
        yield kms
