"""The option ``--kms-clauses`` of pytest, for whoever tests a backend with :mod:`kms_core.testing`.

pytest loads this module in every run where kms-core is installed, so it loads nothing itself.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("kms-core").addoption(
        "--kms-clauses",
        action="store_true",
        help="show what became of each clause of the hookspecs, as a table",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run, if it is asked for."""
    if config.getoption("kms_clauses"):
        from kms_core.testing.table import ClauseTable

        config.pluginmanager.register(ClauseTable())
