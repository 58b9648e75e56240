"""Does this Python hold what pyproject.toml and constraints.txt ask for? Exit status 0 when it does.

Run with the Python in question. It lets `make setup` leave a finished environment alone, with or without a network, and
notice one that is half made, that was moved, or whose requirements have changed since.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("grading", "develop")


def pins(constraints: Path) -> dict[str, Version]:
    """The version of each package, by canonical name."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def closure(requirements: list[str]) -> dict[str, Distribution | None]:
    """Everything that the requirements lead to, by canonical name; None where it is not installed."""
    found: dict[str, Distribution | None] = {}
    followed = set()  # (name, extra): an extra may come up after the package itself
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:
                found[name] = None
        package = found[name]
        for extra in ("", *requirement.extras):
            if package is None or (name, extra) in followed:
                continue
            followed.add((name, extra))
            needs = map(Requirement, package.requires or ())
            waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": extra})]
    return found


def problems() -> list[str]:
    """What is missing or different, one line each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(r for extra in EXTRAS for r in project["optional-dependencies"][extra])]
    pinned = pins(ROOT / "constraints.txt")
    found = []
    for name, package in sorted(closure(requirements).items()):
        if package is None:
            found.append(f"{name} is not installed")
        elif name in pinned and Version(Version(package.version).public) != pinned[name]:
            found.append(f"{name} is {package.version}, constraints.txt says {pinned[name]}")
    return found + _own_problems(project)


def _own_problems(project: dict) -> list[str]:
    """The course itself: installed from this folder, with its commands, in an environment that has not been moved."""
    try:
        package = distribution(project["name"])
        origin = json.loads(package.read_text("direct_url.json") or "{}").get("url", "")
    except PackageNotFoundError:
        return [f"{project['name']} is not installed"]
    if Path(unquote(urlparse(origin).path)).resolve() != ROOT:
        return [f"{project['name']} is installed from another folder"]
    found = []
    if {e.name: e.value for e in package.entry_points if e.group == "console_scripts"} != project["scripts"]:
        found.append("the commands of pyproject.toml are not the installed ones")
    programs = Path(sys.executable).parent
    for name in (*project["scripts"], "jupyter", "alembic"):
        if not _belongs_to(programs, programs / name):
            found.append(f"the program {name} belongs to another environment, or is missing")
    return found


def _belongs_to(programs: Path, program: Path) -> bool:
    """Whether the script would run the Python of this folder: its first lines name one by its full path."""
    if not program.exists():
        return False
    named = re.search(rb'(/[^"\n]*)/python', program.read_bytes()[:1000])
    return named is not None and Path(os.fsdecode(named.group(1))).resolve() == programs.resolve()


if __name__ == "__main__":
    reasons = problems()
    if "--quiet" not in sys.argv:
        print("\n".join(reasons) if reasons else "the environment is complete")
    sys.exit(bool(reasons))
