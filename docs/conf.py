"""How the documentation is built: `sphinx-build -W --keep-going docs docs/_build/html`."""

# ruff: noqa: INP001 -- Sphinx reads this file by its path

from __future__ import annotations

import doctest
import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from docutils.nodes import make_id
from sphinx.util.nodes import make_refnode

import kms_core
from kms_core import backend

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "kms-core"
author = "The kms-core authors"
project_copyright = author
release = metadata.version("kms-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
copybutton_exclude = ".linenos, .gp, .go"  # a prompt and what was printed are no input
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kms-core {release}"
myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(collections|datetime|os|pathlib|types|typing|msgspec|pluggy)\..*",
    ),  # not our pages
    ("py:class", "Executor"),  # likewise
    ("py:class", "ChosenObserver"),  # has no page
    ("py:class", "AbstractAsyncContextManager"),  # not our page
    ("py:class", r"kms_core\.aio\._facade\.SyncT"),  # a Kms or a Kek, as the class says
]
# kms_core and kms_core.aio each have a Kms and a Kek.
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_custom_sections = ["Guarantees"]

# Each page's examples run in a folder of their own where `kms init` was run, without the reader's
# environment.
doctest_default_flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1
doctest_global_setup = """
import os, subprocess, sysconfig, tempfile
_origin, _folder = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_folder.name)
for _name in [name for name in os.environ if name.startswith("KMS_")]:
    del os.environ[_name]
_kms = os.path.join(sysconfig.get_path("scripts"), "kms")
_ = subprocess.run([_kms, "init"], check=True, capture_output=True)
"""
doctest_global_cleanup = """
os.chdir(_origin)
_folder.cleanup()
"""


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Signatures name a class by the module that defines it; its page has the public name."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py":
        return None
    if name in backend.__all__:
        page = "hooks" if name.endswith("Spec") else "backend-api"
        return make_refnode(app.builder, node["refdoc"], page, make_id(name), content)
    if name not in kms_core.__all__:
        return None
    domain = env.domains.python_domain
    return domain.resolve_any_xref(
        env, node["refdoc"], app.builder, f"kms_core.{name}", node, content
    )[0][1]


def add_unreleased(app: Sphinx, page: str, source: list[str]) -> None:
    """The changelog shows the fragments too, which a release moves into CHANGELOG.md."""
    if page == "changelog":
        root = Path(app.srcdir).parent
        marker = r"^<!-- not released yet: (\S+) -->$"
        source[0] = re.sub(
            marker, lambda found: _unreleased(root / found[1]), source[0], flags=re.MULTILINE
        )


def _unreleased(distribution: Path) -> str:
    fragments = sorted((distribution / "changelog.d").glob("*.md"))
    lines = []
    for kind in ("security", "removed", "changed", "added", "fixed"):
        texts = [f.read_text("utf-8").strip() for f in fragments if f".{kind}." in f.name]
        lines += [f"**{kind.capitalize()}**", "", *(f"- {text}" for text in texts), ""] * bool(
            texts
        )
    return "\n".join(["### Not released yet", "", *lines] if lines else lines)


def setup(app: Sphinx) -> None:
    """Register what the pages need."""
    app.connect("missing-reference", resolve_public_name)
    app.connect("source-read", add_unreleased)
