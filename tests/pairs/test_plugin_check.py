"""`kms plugin check` of each cloud's KEK and storage, as a user would run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from kms_core import open_kms
from kms_core.builtin.local.key_file import new_key_file
from tests.cli.running import Done, run_command

# The kit's clauses, as tests/*/test_conformance.py has them, and the command, as tests/aws has it.
pytestmark = pytest.mark.rest

# moto finds the key in the ciphertext, and refuses access where there is none; whether it finds one
# varies by chance. It joins the context's names and values with nothing between them.
# Both: tests/aws/test_conformance.py.
FAULTS = {
    "aws": {
        "Fails when any byte of the ciphertext was altered.",
        "Fails when the ciphertext was cut or extended.",
        (
            "No two contexts are one, whatever quotes, separators and escapes their values hold, "
            "and however long they are."
        ),
    }
}


def check(scheme: str, settings: dict[str, Any]) -> Done:
    parameters = {k: str(v).lower() if v is True else v for k, v in settings.items()}
    uri = f"{scheme}://{parameters.pop('backend')}?{urlencode(parameters)}"
    return run_command("plugin", "check", uri)


def failed(done: Done) -> set[str]:
    assert done.output, done.errors
    return {*re.findall(r"^  FAILED   \S+ +(.*)$", done.output, re.MULTILINE)}


def skipped_for_no_fixture(done: Done) -> list[str]:
    """What the credentials may not do, say: each clause passes unless it needs a test's help."""
    reasons = re.findall(r"^  skipped  .*\n +(.*)$", done.output, re.MULTILINE)
    assert reasons
    return [r for r in reasons if not re.search("harness|is optional|--other|--pages", r)]


def test_a_kek(kek: dict[str, Any]) -> None:
    done = check("kms", kek)
    broken = failed(done)
    assert broken <= FAULTS.get(kek["backend"], set())
    assert done.code == bool(broken)
    assert skipped_for_no_fixture(done) == []


def test_a_storage_is_empty_again(storage: dict[str, Any], tmp_path: Path) -> None:
    done = check("storage", storage)
    assert (done.code, failed(done)) == (0, set())
    assert skipped_for_no_fixture(done) == []
    assert "could not be removed" not in done.errors
    key_file = tmp_path / "kek.toml"
    key_file.touch(mode=0o600)
    key_file.write_text(new_key_file())
    with open_kms({"backend": "local", "keyFile": str(key_file)}, storage) as kms:
        assert list(kms.list_dek_ids()) == []
