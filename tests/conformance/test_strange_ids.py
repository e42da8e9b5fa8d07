from kms_core.backend import check_dek_id
from kms_core.testing import STRANGE_IDS


def test_all_are_valid_and_distinct() -> None:
    assert len(set(STRANGE_IDS)) == len(STRANGE_IDS)
    assert max(len(check_dek_id(dek_id)) for dek_id in STRANGE_IDS) == 255
