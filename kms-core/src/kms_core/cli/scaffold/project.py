"""The files of a plugin's project, from the templates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple

from kms_core.cli.new_files import Plan

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

# common/ and the kind's own folder have what is written, each under its path with ".in" behind it.
_TEMPLATES = resources.files(__package__) / "templates"


class Kind(NamedTuple):
    """A kind's scheme, and what its templates import besides kms-core."""

    scheme: str
    requirements: tuple[str, ...] = ()


KINDS = {
    "kek": Kind("kms", ("cryptography>=42", "msgspec>=0.20")),
    "storage": Kind("storage"),
    "deriver": Kind("kms", ("cryptography>=42",)),
    "observer": Kind("observer"),
}


def project_names(name: str, kind: str) -> dict[str, str]:
    """What the templates leave open, for a backend of this name."""
    from kms_core._plugins.registry import GROUPS

    scheme, requirements = KINDS[kind]
    prefix = "".join(word.capitalize() for word in name.split("-"))
    return {
        "name": name,
        "distribution": f"kms-{name}",
        "package": f"kms_{name}".replace("-", "_"),
        "backend": f"{scheme}://{name}",
        "group": GROUPS[scheme],
        "kind": kind,
        "prefix": prefix,
        "class_name": prefix + kind.capitalize(),
        "variable": f"KMS_KEK_{name}_KEY".replace("-", "_").upper(),
        "requirements": ", ".join(f'"{one}"' for one in sorted([_core(), *requirements])),
    }


def _core() -> str:
    """This version of kms-core, up to the next that may break a plugin."""
    version = metadata.version("kms-core")
    major, minor = (int(number) for number in re.findall(r"\d+", version)[:2])
    return f"kms-core>={version},<" + (f"{major + 1}" if major else f"0.{minor + 1}")


def project_plan(folder: Path, names: Mapping[str, str]) -> Plan:
    """The project's folders and files, filled in."""
    kind = names["kind"]
    usage = _fill_in(_TEMPLATES / "usage" / f"{kind}.md.in", names).rstrip()
    texts = {
        _target(path, names): _fill_in(template, {**names, "usage": usage})
        for tree in ("common", kind)
        for path, template in _walk(_TEMPLATES / tree)
    }
    folders = {parent for path in texts for parent in path.parents}
    plan: Plan = [(folder / path, None) for path in sorted(folders)]
    return plan + [(folder / path, text) for path, text in sorted(texts.items())]


def _walk(folder: Traversable, path: Path = Path()) -> Iterator[tuple[Path, Traversable]]:
    """The templates below a folder, which may be in a zip file, each with its path there."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, path / entry.name)
        elif entry.name.endswith(".in"):
            yield path / entry.name, entry


def _target(template: Path, names: Mapping[str, str]) -> Path:
    return Path(str(template.with_suffix("")).replace("PACKAGE", names["package"]))


def _fill_in(template: Traversable, names: Mapping[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(names)
