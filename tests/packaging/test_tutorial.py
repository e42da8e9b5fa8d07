"""The tutorial, line for line: each file is written and each command run, in one shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, run

PAGES = [ROOT / "docs" / f"{name}-a-backend.md" for name in ("writing", "testing")]
BLOCK = re.compile(
    r"^```(?:\{code-block\} )?(\w+)\n(?::caption: (\S+)\n\n)?(.*?)^```$", re.MULTILINE | re.DOTALL
)
LONGEST_MINIMAL_BACKEND = 60


@dataclass(frozen=True)
class Step:
    """A line of shell, and what the page says that it prints."""

    shell: str
    prints: str = ""


def blocks() -> Iterator[tuple[str, str, str]]:
    for page in PAGES:
        yield from BLOCK.findall(page.read_text("utf-8"))


def steps() -> Iterator[Step]:
    for kind, path, text in blocks():
        if path:
            yield Step(f"cat > {path} <<'END OF FILE'\n{text}END OF FILE")
            continue
        assert kind == "console", f"nothing runs this block:\n{text}"
        for command in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, _, prints = command.partition("\n")
            yield Step(line, prints)


@pytest.mark.rest
def test_every_line_does_what_the_page_says(
    pip_environment: dict[str, str], tmp_path: Path
) -> None:
    todo = [*steps()]
    script = "".join(f'{step.shell}\necho "=== $?"\n' for step in todo)
    folder = tmp_path / "here"
    folder.mkdir()
    done = run("sh", "-c", f"exec 2>&1\n{script}", folder=folder, **pip_environment)
    printed = re.split(r"=== (\d+)\n", done.stdout)
    assert len(printed) == 2 * len(todo) + 1
    checker, how = OutputChecker(), ELLIPSIS | NORMALIZE_WHITESPACE
    for step, seen, code in zip(todo, printed[::2], printed[1::2], strict=False):
        assert checker.check_output(step.prints, seen, how), f"$ {step.shell}\n{seen}"
        assert (code != "0") == (" failed" in step.prints), f"$ {step.shell}\n{seen}"


def test_the_backend_is_small() -> None:
    [backend] = [text for _, path, text in blocks() if "kek.py" in path]
    assert len(backend.splitlines()) <= LONGEST_MINIMAL_BACKEND
