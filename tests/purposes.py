"""What each purpose of ``kms permissions`` does, by whoever is allowed it."""

from __future__ import annotations

from kms_core import AccessDeniedError
from tests.docs.upkeep import ONE, expect_done
from tests.mistakes import Setup


def use(purpose: str, setup: Setup, other: Setup) -> None:
    """Do it, where there is a DEK ``due``.

    Args:
        purpose: as for ``kms permissions --for``.
        setup: by those who are allowed it.
        other: another key and store of the same provider, by the same.
    """
    if purpose == "doctor":
        _examine(setup)
    elif purpose == "migrate":
        with setup.open() as kms, other.open() as to:
            expect_done(kms.migrate_deks(to, bulk=ONE))
    else:
        with setup.open() as kms:
            if purpose == "rewrap":
                expect_done(kms.rewrap_deks(bulk=ONE))
                kms.count_old_records()
            elif purpose == "create":
                kms.get_dek("new", create=True)
            else:
                kms.get_dek("due")


def _examine(setup: Setup) -> None:
    rows = setup.examined().rows
    denied = [row for row in rows if row.code.endswith(("-DENIED", "-LESS"))]
    denied += [row for row in rows if (row.step, row.outcome) == ("find_risks", "skipped")]
    if denied:
        raise AccessDeniedError(f"{denied[0].text}: {denied[0].cure}")
