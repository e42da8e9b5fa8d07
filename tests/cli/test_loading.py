"""What the command line loads, seen from processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.running import Kms, clean_environment

HEAVY = {"msgspec", "stevedore", "cryptography"}
SCRIPT = """
import json, sys
sys.argv = ["kms", *sys.argv[1:]]
from kms_core.cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
COMMANDS = [
    "",
    "init",
    "init aws",
    "dek",
    "dek create",
    "dek get",
    "dek list",
    "backends",
    "wrap",
    "unwrap",
    "auth-key",
    "config",
    "config show",
    "config check",
    "config schema",
    "completion",
    "plugin",
    "plugin new",
    "plugin check",
]


def loaded(script: str, *arguments: str) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=clean_environment({}),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, set(json.loads(done.stderr))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_and_loads_nothing_that_it_does_not_need(command: str) -> None:
    text, modules = loaded(SCRIPT, *command.split(), "--help")
    assert "kms_core.cli.main" in modules
    assert not HEAVY & modules
    assert command in {"dek", "config", "plugin"} or "  Examples:\n    kms " in text


def test_the_library_does_not_load_the_command_line() -> None:
    _, modules = loaded("import json, sys, kms_core; json.dump(sorted(sys.modules), sys.stderr)")
    assert not {"click", "kms_core.cli"} & modules


def test_the_list_of_backends_loads_no_backend() -> None:
    text, modules = loaded(SCRIPT, "backends")
    assert "kms://cluster-kms" in text
    assert not [name for name in modules if name.startswith("kms_cluster")]
    assert "kms_core.builtin.local.kek" not in modules
    assert "kms_core.builtin.file.storage" not in modules


def test_a_command_loads_no_other(kms: Kms) -> None:
    kms("init")
    _, modules = loaded(SCRIPT, "dek", "create", "a")
    assert {m for m in modules if m.startswith("kms_core.cli.")} == {
        *(
            "kms_core.cli.dek",
            "kms_core.cli.dek_get",
            "kms_core.cli.failures",
            "kms_core.cli.lazy",
            "kms_core.cli.main",
        ),
        *("kms_core.cli.output", "kms_core.cli.session"),
    }


def test_reading_a_dek_loads_only_what_it_takes(kms: Kms) -> None:
    """What others of the dependencies' modules cost is seen at each start."""
    kms("init")
    kms("dek", "create", "a")
    _, modules = loaded(SCRIPT, "dek", "get", "a")
    assert "kms_core.builtin.local.kek" in modules
    plugins = {"stevedore", "importlib.metadata", "packaging"}  # core's own backends need none
    assert not {*plugins, "rich", "asyncio", "attr", "http", "kms_core._deks.cache"} & modules
