"""The command ``kms``."""

from __future__ import annotations

import sys

from kms_core.cli.commands import kms
from kms_core.cli.failures import report
from kms_core.cli.session import Session


def main() -> None:
    """Run ``kms`` and exit: 0 done, 1 the operation failed, 2 wrong usage or config."""
    session = Session()
    try:
        code = kms.main(prog_name="kms", obj=session, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 -- all of them become one line and an exit code
        code = report(error, debug=session.debug)
    sys.exit(code)
