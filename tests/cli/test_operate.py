"""The commands of the page about operations do what it says, in its order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.cli.running import Kms
from tests.docs.pages import DOCS, blocks

_SESSION = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def test_commands_of_the_page(kms: Kms, folder: Path) -> None:
    kms("init")
    config = folder / "kms.toml"
    audit = 'observers = [{ backend = "audit", path = "audit.jsonl" }]\n'
    config.write_text(audit + config.read_text())
    kms("dek", "create", "volume-42")
    steps = _SESSION.findall("".join(blocks(DOCS / "how-to" / "operate.md", "console")))
    assert len(steps) > 5
    for command, expected in steps:
        words = shlex.split(command)
        given = [word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word)]
        assert words[len(given)] == "kms"
        done = kms(*words[len(given) + 1 :], **dict(given))
        assert done.code == 0, (command, done.errors)
        shown = re.escape(expected).replace("…\n", "(.*\n)*").replace(re.escape("…\n"), "(.*\n)*")
        assert re.fullmatch(shown, done.output), (command, done.output)
