"""The repository agrees with itself: one set of versions, one list of notebooks, no trace of one machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from autograder.compiler.manifest import build_notebook
from autograder.curriculum import load_curriculum

ROOT = Path(__file__).resolve().parent.parent
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".txt",
    ".cfg",
    ".ini",
    ".json",
    ".ipynb",
    ".html",
    ".css",
    ".js",
    ".sh",
    "",
}


def files() -> list[Path]:
    """What git keeps or would keep; in a copy without git, everything outside of hidden folders and build output."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        return [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        skipped = {"build", "demo", "__pycache__"}
        parts = ((path, path.relative_to(ROOT).parts) for path in ROOT.rglob("*") if path.is_file())
        return [path for path, names in parts if not skipped.intersection(names) and ".venv" not in names]


def texts() -> Iterator[tuple[str, str]]:
    for path in files():
        if path.suffix in TEXT:
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def environment_script():
    spec = importlib.util.spec_from_file_location("course_environment", ROOT / ".ci" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def requirements(project: dict) -> list[Requirement]:
    extras = project["project"]["optional-dependencies"]
    return [
        Requirement(r) for r in [*project["project"]["dependencies"], *(r for group in extras.values() for r in group)]
    ]


# --- versions


def test_constraints_pin_everything_that_gets_installed(project: dict, environment_script) -> None:
    pins = environment_script.pins(ROOT / "constraints.txt")
    installed = environment_script.closure([str(r) for r in requirements(project)])
    own = canonicalize_name(project["project"]["name"])
    missing = sorted(name for name in installed if name not in pins and name != own)
    assert not missing, f"constraints.txt has no version for {', '.join(missing)}"


def test_constraints_are_exact_sorted_and_named_once() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines), (
        "name==version, one a line"
    )
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert len(set(names)) == len(names)
    assert [line.lower() for line in lines] == sorted((line.lower() for line in lines), key=lambda x: x.split("==")[0])


def test_the_pins_of_pyproject_are_those_of_the_constraints(project: dict, environment_script) -> None:
    pins = environment_script.pins(ROOT / "constraints.txt")
    for requirement in requirements(project):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, str(requirement)


def test_the_conda_environment_is_the_same_one(project: dict, environment_script) -> None:
    described = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert described["name"] == project["project"]["name"]
    (pip,) = (entry["pip"] for entry in described["dependencies"] if isinstance(entry, dict))
    plain = [entry for entry in described["dependencies"] if isinstance(entry, str)]
    python = next(entry.split("=", 1)[1] for entry in plain if entry.startswith("python="))
    assert python in SpecifierSet(project["project"]["requires-python"])
    assert "-c constraints.txt" in pip
    extras = ",".join(project["project"]["optional-dependencies"])
    assert f"-e .[{extras}]" in pip
    pins = environment_script.pins(ROOT / "constraints.txt")
    for requirement in (Requirement(entry) for entry in pip if not entry.startswith("-")):
        assert str(requirement.specifier) == f"=={pins[canonicalize_name(requirement.name)]}", str(requirement)


def test_this_environment_is_complete(environment_script) -> None:
    assert environment_script.problems() == []


def test_what_is_missing_from_an_environment_is_named(environment_script, tmp_path: Path, monkeypatch) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    text = (tmp_path / "pyproject.toml").read_text().replace('"tqdm",', '"tqdm", "no-such-package-in-here",')
    (tmp_path / "pyproject.toml").write_text(text)
    pins = re.sub(r"(?m)^tqdm==.*$", "tqdm==1.0", (tmp_path / "constraints.txt").read_text())
    (tmp_path / "constraints.txt").write_text(pins)
    monkeypatch.setattr(environment_script, "ROOT", tmp_path)
    said = "\n".join(environment_script.problems())
    assert "no-such-package-in-here is not installed" in said
    assert re.search(r"tqdm is \S+, constraints.txt says 1.0", said)
    assert "is installed from another folder" in said
    assert len(said.splitlines()) == 3


# --- nothing of one machine

_HOSTS = r"\b(?:pypi\.(?:org|python)|files\.pythonhosted|download\.pytorch\.org/whl|conda\.anaconda|registry\.npm)"
_FOLDERS = r"(?<![\w.~-])/(?:root|work|Users|home/(?!student\b)\w+)/\w+"


def traces(text: str) -> list[str]:
    """Absolute paths of somebody's machine and hosts of package registries."""
    return re.findall(f"{_HOSTS}|{_FOLDERS}", text)


# In pieces, because this file is searched too.
_PLANTED = (
    ("", "root", "notes.txt"),
    ("", "work", "main", "x"),
    ("open('", "home", "ada", "x')"),
    ("https:", "", "pypi.{}"),
)


@pytest.mark.parametrize("planted", ["/".join(pieces).format("org") for pieces in _PLANTED])
def test_the_search_for_traces_finds_them(planted: str) -> None:
    assert traces(planted)


def test_no_file_names_a_machine_or_a_package_registry() -> None:
    found = {name: traces(text) for name, text in texts()}
    assert {name: where for name, where in found.items() if where} == {}


# --- one list of notebooks

_ASSIGNMENT = re.compile(r"\b(?:0[1-9]|1[0-2])_[a-z][a-z_]+\b")


def lists_of_notebooks(names: set[str], text: str) -> set[str]:
    """The assignments and notebooks that a text names, where it names two or more."""
    found = set(_ASSIGNMENT.findall(text)) | {name for name in names if re.search(rf"['\"]{name}['\"]", text)}
    return found if len(found) > 1 else set()


def test_the_search_for_lists_finds_one() -> None:
    assert lists_of_notebooks(set(), "for name in ('01_softmax_regression', '02_backprop'):")
    assert lists_of_notebooks({"alpha", "beta"}, "NOTEBOOKS = ['alpha', \"beta\"]")
    assert not lists_of_notebooks({"alpha", "beta"}, "course_lib.alpha and 'beta'")


def test_course_toml_alone_lists_the_notebooks() -> None:
    """Code reads the syllabus; a second list would be forgotten when a lecture is added."""
    names = {notebook.name for notebook in load_curriculum().notebooks()}
    described = (
        "course.toml",
        "tests/",
        "docs/",
        "solutions/",
        "assignments/",
        "autograder/hidden_tests/",
        "README.md",
    )
    found = {
        name: lists_of_notebooks(names, text)
        for name, text in texts()
        if not name.startswith((*described, "CONTRIBUTING.md", "course_lib/"))
    }
    # One assignment's own name is no list, and its notebook has the same words in it.
    several = {name: those for name, those in found.items() if len({re.sub(r"^\d\d_", "", n) for n in those}) > 1}
    assert several == {}


def test_the_readme_tells_what_is_there() -> None:
    """Its table has a line for every notebook that has been written, with the number of exercises."""
    rows = re.findall(
        r"^\| \[.*?\]\((assignments/\S+)\) \| .*? \| (\d+)", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    written = [notebook for notebook in load_curriculum().notebooks() if notebook.source.is_file()]
    assert dict(rows) == {
        notebook.released.relative_to(ROOT).as_posix(): str(
            sum(cell.kind == "exercise" for cell in build_notebook(notebook).manifest.cells)
        )
        for notebook in written
    }


# --- the commands


def make(*arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | changed
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_make_help_lists_every_command() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    shown = re.findall(r"^  make (\S+)", make().stdout, re.MULTILINE)
    assert sorted(shown) == sorted(phony.group(1).split())


def test_continuous_integration_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^cd .* && exec make test </dev/null$", script.read_text(), re.MULTILINE)
    steps = make("-n", "test").stdout
    for step in ("ruff check", "ruff format", "mypy", "course build --check", "pytest"):
        assert step in steps


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    """Setting up needs 3.11; the clone here lies under a name with a space and has a half-made environment."""
    clone = tmp_path / "my course"
    (clone / ".ci").mkdir(parents=True)
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", ".ci/setup", ".ci/environment.py"):
        shutil.copy(ROOT / name, clone / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "id", "grep", "sed", "printf"):
        (programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    old = programs / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 || exit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        [str(clone / ".ci" / "setup")],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed, found Python 3.9.1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_finished_environment_needs_no_network() -> None:
    """Every address leads nowhere here, and there is no pip to ask."""
    if Path(sys.executable).parent != ROOT / ".venv" / "bin":
        pytest.skip("the tests run in another environment than .venv")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "PIP_INDEX_URL"), "http://127.0.0.1:9")
    done = subprocess.run(
        [str(ROOT / ".ci" / "setup")], env=os.environ | nowhere, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the walk through an exercise in CONTRIBUTING.md


@pytest.mark.slow
def test_the_exercise_of_contributing_can_be_added(tmp_path: Path) -> None:
    """Its four blocks of code go to the four places that it names; then the course builds and the graders agree."""
    for path in files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    text = (ROOT / "CONTRIBUTING.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    suite = tmp_path / "autograder/hidden_tests/01_softmax_regression/test_softmax_regression.py"
    places = (
        tmp_path / "course_lib/softmax_regression.py",
        tmp_path / "solutions/01_softmax_regression/softmax_regression.py",
        suite,
        suite.with_name("misconceptions_softmax_regression.py"),
    )
    for place, block in zip(places, code, strict=True):
        assert f"`{place.relative_to(tmp_path).as_posix()}`" in text or f"`{place.name}`" in text
        place.write_text(f"{place.read_text()}\n\n{block}")
    for arguments in (["build"], ["validate", "01_softmax_regression", "--only", "margin"], ["build", "--check"]):
        assert f"course {' '.join(arguments)}" in text
        done = subprocess.run(
            [sys.executable, "-c", "from autograder.cli import main; main()", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        assert done.returncode == 0, f"course {arguments}: {done.stdout}{done.stderr}"
        if arguments[0] == "validate":
            assert "3 misconceptions, 2 alternatives, 0 misjudged" in done.stdout
