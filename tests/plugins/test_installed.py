"""What is read of the installed metadata; where it is damaged, it hides and breaks no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.conftest import Run
from tests.plugins.strangers import FINE, Stranger

Probe = Callable[[Path, list[tuple[str, str]]], list[dict[str, str]]]
LIST = """\
import json
from kms_core._plugins.registry import find_backends, find_problem
found = find_backends()
print(json.dumps({f.backend: [f.distribution, find_problem(f, found)] for f in found}))
"""
DAMAGED = Stranger("damaged", "", ())
METADATA = "stranger_damaged-7.0.dist-info"


def damage(site: Path, file: str, content: bytes | None) -> None:
    """A sound plugin, and one that was until the file had this content."""
    FINE.install(site)
    DAMAGED.install(site)
    path = site / METADATA / file
    path.unlink() if content is None else path.write_bytes(content)


FILES = [
    ("entry_points.txt", b"[console_scripts]\nmalformed = 1 2 3\n"),
    ("entry_points.txt", b"[kms.kek]\nmalformed = 1 2 3\n"),
    ("entry_points.txt", b"[console_scripts]\n# [kms.kek]\n"),
    ("entry_points.txt", None),
    ("METADATA", b"Name: \xff\n"),
    ("METADATA", b""),
    ("METADATA", None),
]
# What importlib.metadata cannot read, so that pydantic, which looks for plugins, fails in any case.
HOPELESS_FILES = [
    ("entry_points.txt", b"[console_scripts]\nhalf a line"),
    ("entry_points.txt", b"[kms.kek]\nhalf a line"),
    ("entry_points.txt", b"without = a:section\n[kms.kek]\n"),
    ("entry_points.txt", b"[kms.kek]\n\xff = no:Text\n"),
]


@pytest.mark.parametrize(("file", "content"), FILES)
def test_others_are_opened(file: str, content: bytes | None, tmp_path: Path, probe: Probe) -> None:
    damage(tmp_path, file, content)
    [outcome] = probe(tmp_path, [("kms://fine", "storage://memory")])
    assert outcome["error"] == "", outcome


@pytest.mark.parametrize(("file", "content"), [*FILES, *HOPELESS_FILES])
def test_others_are_listed(file: str, content: bytes | None, tmp_path: Path, run: Run) -> None:
    damage(tmp_path, file, content)
    assert json.loads(run("-c", LIST, site=tmp_path))["kms://fine"] == ["stranger-fine 7.0", None]


def test_what_can_still_be_read_is_listed(tmp_path: Path, run: Run) -> None:
    damage(tmp_path, "entry_points.txt", b"[kms.kek]\nodd = 1 2 3\nodd = 1 2 3\nhalf")
    listed = json.loads(run("-c", LIST, site=tmp_path))
    for backend, target in (("kms://odd", "1 2 3"), ("kms://half", "")):
        distribution, problem = listed[backend]
        assert distribution == "stranger-damaged 7.0"
        assert problem.startswith(f"MODULE:CLASS in the entry point {target!r} is not there; ")


def test_a_distribution_without_a_name_is_listed(tmp_path: Path, run: Run) -> None:
    damage(tmp_path, "METADATA", None)
    listed = json.loads(run("-c", LIST, site=tmp_path))
    assert listed["kms://damaged"] == ["a broken distribution", None]


def test_a_malformed_entry_point_is_a_load_error(tmp_path: Path, probe: Probe) -> None:
    damage(tmp_path, "entry_points.txt", b"[kms.kek]\nodd = 1 2 3\n")
    [outcome] = probe(tmp_path, [("kms://odd", "storage://memory")])
    assert outcome["error"] == "BackendLoadError"
    assert "its entry point '1 2 3' is not MODULE:CLASS" in outcome["message"]
    assert "--force-reinstall stranger-damaged, or" in outcome["message"]


def test_an_older_copy_further_down_the_path_is_hidden(tmp_path: Path, run: Run) -> None:
    newer, older = tmp_path / "newer", tmp_path / "older"
    for site in (newer, older):
        site.mkdir()
        FINE.install(site)
    dist_info = older / "stranger_fine-7.0.dist-info"
    metadata = (dist_info / "METADATA").read_text()
    (dist_info / "METADATA").write_text(metadata.replace("stranger-fine", "Stranger_Fine"))
    code = f"import sys\nsys.path.append({str(older)!r})\n{LIST}"
    listed = json.loads(run("-c", code, site=newer))
    assert listed["kms://fine"] == ["stranger-fine 7.0", None]


def test_a_name_in_another_case_is_another_name(tmp_path: Path, probe: Probe) -> None:
    FINE.install(tmp_path)
    entry_points = tmp_path / "stranger_fine-7.0.dist-info" / "entry_points.txt"
    entry_points.write_text(entry_points.read_text().replace("fine = ", "Fine = "))
    [outcome] = probe(tmp_path, [("kms://fine", "storage://memory")])
    assert outcome["error"] == "BackendNotFoundError"
