"""One distribution's release: prepared by a maintainer, collected by CI at its tag.

`prepare NAME VERSION` writes the version and the changelog. `collect TAG FOLDER` copies the two
files that the tag releases from FOLDER, where the packaging tests found them good, to dist/.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
PROJECTS = {
    path.parent.name: tomllib.loads(path.read_text())["project"]
    for path in sorted(ROOT.glob("kms-*/pyproject.toml"))
}


def prepare(name: str, version: str) -> None:
    """Set the version and build the changelog, if that makes a release that can be published."""
    _check_known(name)
    new = _parsed(version)
    if not _fragments(name):
        _refuse(f"{name}/changelog.d has no fragment, so there is nothing to release")
    if new < Version(PROJECTS[name]["version"]) or new in _released(name):
        _refuse(f"{name} is at {PROJECTS[name]['version']}; {new} must be newer")
    _check_accepted(name, new)
    _run("uv", "version", "-q", "--frozen", "--project", name, str(new))
    _run("towncrier", "build", "--yes", "--dir", name, "--version", str(new))
    _say(f'Commit this as "Release {name} {new}". Once it is on main, tag it there:')
    _say(f'git tag -a {name}-v{new} -m "{name} {new}" && git push origin {name}-v{new}')


def collect(tag: str, built: Path) -> None:
    """Copy the sdist and wheel of a tag to dist/, if version and changelog agree with it."""
    name, _, version = tag.rpartition("-v")
    _check_known(name)
    if version != PROJECTS[name]["version"]:
        _refuse(f"tag {tag}: {name}/pyproject.toml says {PROJECTS[name]['version']}")
    if _fragments(name) or _parsed(version) not in _released(name):
        _refuse(f"tag {tag}: {name}/CHANGELOG.md lacks it; first run nox -s release and commit")
    dist = ROOT / "dist"
    dist.mkdir()  # it must be new: all that is in it gets published
    for ending in (".tar.gz", "-py3-none-any.whl"):
        shutil.copy2(built / f"{name.replace('-', '_')}-{version}{ending}", dist)


def _check_known(name: str) -> None:
    if name not in PROJECTS:
        _refuse(f"there is no distribution {name!r}, only {', '.join(PROJECTS)}")


def _parsed(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion as error:
        _refuse(f"{error}; write it like 0.2.0")


def _fragments(name: str) -> list[Path]:
    return list((ROOT / name / "changelog.d").glob("[!.]*"))


def _released(name: str) -> list[Version]:
    headings = re.findall(r"^## (\S+) \(", (ROOT / name / "CHANGELOG.md").read_text(), re.MULTILINE)
    return [Version(heading) for heading in headings]


def _check_accepted(name: str, new: Version) -> None:
    for other, project in PROJECTS.items():
        for needed in map(Requirement, project["dependencies"]):
            if needed.name == name and not needed.specifier.contains(new, prereleases=True):
                _refuse(
                    f"{other}/pyproject.toml requires {needed}: make it accept {new}, "
                    f"with a fragment, and release {other} after {name}"
                )


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)  # noqa: S603 -- checked above


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _refuse(reason: str) -> NoReturn:
    sys.exit(f"Not released: {reason}.")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", name, version]:
            prepare(name, version)
        case ["collect", tag, folder]:
            collect(tag, Path(folder))
        case _:
            sys.exit(__doc__)
