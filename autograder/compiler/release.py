"""The student edition of the library, and the zip that students get.

In the student edition whatever this assignment or a later one asks for is a stub, and everything else is complete: what
earlier assignments asked for (an early mistake must not ruin a later lecture), and what nobody asks for.
"""

from __future__ import annotations

import ast
import io
import re
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.compiler.holes import Module, find_object, parsed
from autograder.compiler.manifest import Built
from autograder.compiler.pieces import LIBRARY, asked_imports
from autograder.compiler.start_page import build_start_page
from autograder.curriculum import Assignment, Curriculum
from autograder.errors import CourseError

_NOT_RELEASED = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: the same bytes on every day


def asked_later(curriculum: Curriculum, assignment: Assignment) -> tuple[Assignment, ...]:
    """This assignment and those after it in the order of course.toml."""
    names = [item.name for item in curriculum.assignments]
    return curriculum.assignments[names.index(assignment.name) :]


def asked_objects(curriculum: Curriculum, assignments: tuple[Assignment, ...]) -> dict[Path, list[str]]:
    """What the exercises of these assignments ask students to write: names by library file.

    Raises:
        CourseError: a source is missing or names something that is not there.
    """
    found: dict[Path, list[str]] = {}
    for assignment in assignments:
        for notebook in assignment.notebooks:
            for module, name in asked_imports(notebook):
                path = find_object(curriculum.root, module, name).path
                if name not in found.setdefault(path, []):
                    found[path].append(name)
    return found


def library_files(curriculum: Curriculum, assignment: Assignment) -> dict[str, bytes]:
    """The student edition of the library, file by file, with paths such as `course_lib/softmax_regression.py`.

    Raises:
        CourseError: a source cannot be read, or a module would use a stub while it is imported.
    """
    root = curriculum.root
    folder = root / LIBRARY
    if not folder.is_dir():
        raise CourseError(f"no folder {LIBRARY} beside course.toml; the release takes the library from there")
    asked = asked_objects(curriculum, asked_later(curriculum, assignment))
    files: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or path.suffix == ".pyc" or any(p in _NOT_RELEASED or p.startswith(".") for p in parts):
            continue
        name = "/".join(parts)
        if path in asked:
            module = parsed(path.read_text(encoding="utf-8"), name)
            files[name] = module.cut(asked[path]).encode()
        else:
            files[name] = path.read_bytes()
    stubs = {(_dotted(path.relative_to(root)), name) for path, names in asked.items() for name in names}
    for name in files:
        if name.endswith(".py"):
            whole = parsed((root / name).read_text(encoding="utf-8"), name)  # line numbers of the file as it stands
            _check_import_time(whole, _dotted(Path(name)), stubs, assignment)
    return files


def student_edition(curriculum: Curriculum, assignment: Assignment | str, out_dir: Path) -> Path:
    """Write the student edition of the library to `out_dir/course_lib`.

    Args:
        curriculum: the course.
        assignment: the assignment (or its name) that is released or graded.
        out_dir: a folder, made where it is missing; it must not hold a course_lib already.

    Returns:
        `out_dir`, which can stand on the import path.

    Raises:
        CourseError: the folder holds a course_lib, or the edition cannot be made.
    """
    if isinstance(assignment, str):
        assignment = curriculum.assignment(assignment)
    if (out_dir / LIBRARY).exists():
        raise CourseError(f"{out_dir / LIBRARY} exists already; give an empty folder for the student edition")
    for name, data in library_files(curriculum, assignment).items():
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return out_dir


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _check_import_time(module: Module, dotted: str, stubs: set[tuple[str, str]], assignment: Assignment) -> None:
    """A stub that is called while its module is imported would make the whole release unusable."""
    calls = [(call.func.id, call) for call in _calls_on_import(module.tree.body) if isinstance(call.func, ast.Name)]
    if not calls:
        return
    local = {name for home, name in stubs if home == dotted}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                if any(alias.name == name for _, name in stubs) and (node.module or "").startswith(LIBRARY):
                    local.add(alias.asname or alias.name)
    for name, call in calls:
        if name in local:
            raise CourseError(
                f"{module.label}, line {call.lineno} calls {name} while it is imported, and {assignment.name} "
                "releases that as a stub; move the call into a function"
            )


def _calls_on_import(body: list[ast.stmt]) -> Iterator[ast.Call]:
    for node in body:
        if isinstance(node, ast.If) and "__main__" in ast.dump(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.ClassDef):
            yield from _calls_on_import(node.body)
            parts = [*node.decorator_list, *node.bases]
        else:
            parts = [node]
        for part in parts:
            lazy = {id(inner) for found in ast.walk(part) if isinstance(found, ast.Lambda) for inner in ast.walk(found)}
            yield from (n for n in ast.walk(part) if isinstance(n, ast.Call) and id(n) not in lazy)


# -- the zip ----------------------------------------------------------------------------------------------------


def release_files(curriculum: Curriculum, assignment: Assignment, built: Mapping[str, Built]) -> dict[str, bytes]:
    """Everything that students get for one assignment, by path inside the zip.

    Args:
        curriculum: the course.
        assignment: the assignment.
        built: compiled notebooks by name, those of this assignment at least.

    Raises:
        CourseError: the assignment has no notebook, a listed file is missing, or pyproject.toml cannot be used.
    """
    if not assignment.notebooks:
        raise CourseError(f"{assignment.name} has no notebook in course.toml, so there is nothing to release")
    top = f"{assignment.name}/"
    project = _project(curriculum)
    files = {
        "README.md": _readme(curriculum, assignment, built),
        "environment.yml": _environment(assignment, project),
        "pyproject.toml": _pyproject(project),
        "requirements.txt": "# The library in this folder and what it needs, in versions that were tried.\n"
        "-c constraints.txt\n-e .\n",
        "constraints.txt": (curriculum.root / "constraints.txt").read_text(encoding="utf-8"),
    }
    found = {top + name: text.encode() for name, text in files.items()}
    for notebook in assignment.notebooks:
        found[f"{top}{notebook.name}.ipynb"] = built[notebook.name].student_text.encode()
    for page in build_start_page(curriculum):
        found[f"{top}{page.notebook.name}.ipynb"] = page.student_text.encode()
    for name in assignment.files:
        path = curriculum.root / "assignments" / assignment.name / name
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not path.is_file():
            raise CourseError(
                f"course.toml, {assignment.name}: the file {name!r} is not in assignments/{assignment.name}"
            )
        found[top + name] = path.read_bytes()
    found |= {top + name: data for name, data in library_files(curriculum, assignment).items()}
    return dict(sorted(found.items()))


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """A zip with the same bytes for the same files, whenever and wherever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, also when made on Windows
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _project(curriculum: Curriculum) -> dict[str, Any]:
    try:
        data = tomllib.loads((curriculum.root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return {key: data[key] for key in ("name", "version", "requires-python", "dependencies")}
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CourseError(
            f"pyproject.toml cannot be used ({error}); the release takes name, version, requires-python and "
            "dependencies of [project] from it"
        ) from None


def _pyproject(project: dict[str, Any]) -> str:
    dependencies = "".join(f'    "{item}",\n' for item in project["dependencies"])
    return (
        "[build-system]\n"
        'requires = ["setuptools>=77"]\n'
        'build-backend = "setuptools.build_meta"\n\n'
        "[project]\n"
        f'name = "{project["name"]}-student"\n'
        f'version = "{project["version"]}"\n'
        'description = "Student edition of the course library"\n'
        f'requires-python = "{project["requires-python"]}"\n'
        f"dependencies = [\n{dependencies}]\n\n"
        "[tool.setuptools.packages.find]\n"
        f'include = ["{LIBRARY}*"]\n\n'
        "[tool.setuptools.package-data]\n"
        '"*" = ["*"]\n'
    )


def _environment(assignment: Assignment, project: dict[str, Any]) -> str:
    oldest = re.search(r"\d+\.\d+", project["requires-python"])
    return (
        f"name: {re.sub(r'[^a-z0-9]+', '-', assignment.name.lower())}\n"
        "channels:\n  - conda-forge\n"
        "dependencies:\n"
        f"  - python={oldest.group(0) if oldest else '3.11'}\n"
        "  - pip\n  - pip:\n      - -r requirements.txt\n"
    )


def _readme(curriculum: Curriculum, assignment: Assignment, built: Mapping[str, Built]) -> str:
    due = f"Due: {assignment.due:%A, %d %B %Y, %H:%M} ({curriculum.timezone}).\n\n" if assignment.due else ""
    rows = ""
    for notebook in assignment.notebooks:
        manifest = built[notebook.name].manifest
        minutes = sum(cell.minutes or 0 for cell in manifest.cells)
        rows += f"| [{notebook.title}]({notebook.name}.ipynb) | {manifest.points:g} | about {minutes} |\n"
    names = ", ".join(f"`{notebook.name}.ipynb`" for notebook in assignment.notebooks)
    opens = "start_here.ipynb" if build_start_page(curriculum) else f"{assignment.notebooks[0].name}.ipynb"
    several = len(assignment.notebooks) > 1
    return f"""# {curriculum.name}: {assignment.title}

{due}| notebook | points | minutes of work |
|---|--:|--:|
{rows}
## Set up, once

You need Python 3.11 or newer. Open a terminal in this folder.

```
python -m venv .venv
source .venv/bin/activate          # on Windows: .venv\\Scripts\\activate
python -m pip install -r requirements.txt
```

With conda instead: `conda env create -f environment.yml`, then `conda activate` and the name that it prints.

## Work

```
jupyter lab {opens}
```

Run the cells from the top. An exercise shows what a function must do, and a line that says it is not done yet: replace
that line with your code, run the cell, then run the check below it. The checks are examples. The grader tries
more inputs, and tests each exercise by itself, with correct code in place of your answers to the others.

`course_lib` is the library that you build in this course. What earlier assignments asked for is complete in it, and
what this or a later one asks for raises `NotImplementedError` until you write it in the notebook.

## Hand in

Hand in {names}, with {"their names" if several else "its name"} unchanged. Save first; outputs may stay. You may
add cells for your own notes and trials. Keep the given cells: what they check is restored when your work is graded.
"""
