"""What is public is documented, and what is linked is there."""

import re
from pathlib import Path

import pytest

import kms_core
from kms_core import aio
from tests.docs.pages import DOCS, PAGES, blocks, links, name

ERRORS = {
    public: kind
    for public, kind in vars(kms_core).items()
    if isinstance(kind, type) and issubclass(kind, kms_core.KmsError)
}
LONGEST = 250
GENERATED = {"hooks.md", "backend-api.md"}


def test_every_error_is_explained() -> None:
    text = (DOCS / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (yes|no) \| (.+) \|$", text, re.MULTILINE)
    retryable = {error: answer == "yes" for error, _, answer, _ in rows}
    assert retryable == {error: kind.retryable for error, kind in ERRORS.items()}


def test_every_public_name_is_on_the_api_page() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    names = [*kms_core.__all__, *(f"aio.{name}" for name in aio.__all__)]
    assert [n for n in names if not re.search(rf":: kms_core\.{n}\b", text)] == []


def test_every_page_stands_once_below_a_caption() -> None:
    trees = blocks(DOCS / "index.md", "{toctree}")
    captions = [re.findall(r"^:caption: (.+)$", tree, re.MULTILINE) for tree in trees]
    assert captions == [["Tutorial"], ["How-to"], ["Reference"], ["Explanation"], ["Extending"]]
    listed = re.findall(r"^([a-z][\w/-]*)$", "".join(trees), re.MULTILINE)
    pages = [str(p.relative_to(DOCS).with_suffix("")) for p in DOCS.rglob("*.md")]
    assert sorted([*listed, "index"]) == sorted(p for p in pages if not p.startswith("_build"))


def test_no_page_is_long() -> None:
    written = [page for page in PAGES if page.name not in GENERATED]
    assert [name(p) for p in written if len(p.read_text("utf-8").splitlines()) > LONGEST] == []


def test_every_image_says_what_it_shows() -> None:
    for page in PAGES:
        for text, path in re.findall(r"!\[(.*?)\]\(([^)]+)\)", page.read_text("utf-8")):
            assert len(text) > 40, path
            assert "<title" in (page.parent / path).read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_linked_files_are_there(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []
