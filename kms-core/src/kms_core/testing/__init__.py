"""The contract of a backend as tests, for the author of a backend; and a fixture for programs.

Subclass the class of your kind of backend in a test module of yours, and say how to open it::

    class TestMyKek(KekConformance):
        @pytest.fixture
        def harness(self):
            return KekHarness(
                open=lambda: MyKek(MyKek.Config(key_name="one")),
                open_other=lambda: MyKek(MyKek.Config(key_name="two")),
            )

Each check names the clause of :mod:`kms_core.backend.hookspecs` that it checks, and a failure says
which hook broke it, what was expected, what was seen and what to do. A clause that needs more of
your service, such as a rotated KEK, is checked once you give the harness what its skip names.
``pytest -p kms_core.testing.table`` shows all of them as a table.

A program that uses DEKs imports :func:`memory_kms` into its conftest.py, and needs nothing else.
"""

try:
    import pytest  # noqa: F401 -- only to say what to install when it is not there
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "kms_core.testing needs pytest; run: pip install 'kms-core[testing]'", name=error.name
    ) from error

from kms_core.builtin.local.key_file import new_key_file
from kms_core.testing._harness.client import Client
from kms_core.testing._harness.harness import (
    DeriverHarness,
    KekHarness,
    ObserverHarness,
    StorageHarness,
)
from kms_core.testing._harness.processes import assert_forks_share_no_connection, assert_one_winner
from kms_core.testing._harness.wire import FaultyWire
from kms_core.testing.checks.deriver import DeriverConformance
from kms_core.testing.checks.kek import KekConformance
from kms_core.testing.checks.observer import ObserverConformance
from kms_core.testing.checks.storage import StorageConformance
from kms_core.testing.checks.strange_ids import STRANGE_IDS
from kms_core.testing.fixtures import memory_kms

__all__ = [
    "STRANGE_IDS",
    "Client",
    "DeriverConformance",
    "DeriverHarness",
    "FaultyWire",
    "KekConformance",
    "KekHarness",
    "ObserverConformance",
    "ObserverHarness",
    "StorageConformance",
    "StorageHarness",
    "assert_forks_share_no_connection",
    "assert_one_winner",
    "memory_kms",
    "new_key_file",
]
