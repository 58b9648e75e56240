"""A student's own record of the checks: what passed, when, after how many tries. No account, one local file.

The file lies in the folder of the notebooks. It is written whole and then renamed into place, so that a reader never
sees half of it; several notebooks may be open at once. Nothing that goes wrong here may stand in the way of a check: a
folder that cannot be written keeps no record, and a damaged file is set aside.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["FILE_NAME", "Progress", "read", "record", "show_progress"]

FILE_NAME = ".course_progress.json"
# Another place for the file; empty: keep no record.
FILE_VARIABLE = "COURSE_PROGRESS_FILE"
LOCK_PATIENCE = 2.0  # seconds; a kernel that died while it wrote must not stop the others for longer


def journal_path() -> Path | None:
    """The progress file of this kernel; None where no record is kept (plain Python, or switched off)."""
    if FILE_VARIABLE in os.environ:
        named = os.environ[FILE_VARIABLE]
        return Path(named) if named else None
    return Path.cwd() / FILE_NAME if _in_notebook() else None


def record(name: str, passed: bool) -> None:
    """Keep the outcome of one check.

    Args:
        name: the check.
        passed: whether all its asserts held.
    """
    path = journal_path()
    if path is None:
        return
    with contextlib.suppress(OSError), _locked(path):
        entries = read(path)
        entry = entries.setdefault(_key(name, path.parent), {"attempts": 0, "first_passed": None})
        entry["attempts"] += 1
        entry["passed"] = passed
        entry["last"] = _now()
        if passed and entry["first_passed"] is None:
            entry["first_passed"] = entry["last"]
        _write(path, entries)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a progress file, `{"notebook/check": {...}}`; empty when there is none or it is damaged.

    Each entry has `attempts` (int), `passed` (bool, the last outcome), `first_passed` (None until it passed) and `last`
    (both ISO 8601 with the offset of the clock that wrote them).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    try:
        checks = json.loads(text)["checks"]
        return {key: entry for key, entry in checks.items() if _is_entry(entry)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("attempts"), int)
        and isinstance(entry.get("passed"), bool)
        and isinstance(entry.get("first_passed"), str | None)
        and isinstance(entry.get("last"), str)
    )


def _write(path: Path, entries: dict[str, dict[str, Any]]) -> None:
    if not entries or (path.exists() and not read(path) and path.stat().st_size > 0):
        with contextlib.suppress(OSError):  # whatever was in there may matter to its owner
            os.replace(path, path.with_name(path.name + ".damaged"))
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps({"schema": 1, "checks": entries}, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, on every file system: a lock is a file that can be created once.

    A lock that stays longer than a write can take belongs to a kernel that died, and is taken over.
    """
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def _key(name: str, folder: Path) -> str:
    """`notebook/check`; the notebook is the one that is open, else the only one in the folder that has the check."""
    opened = os.environ.get("JPY_SESSION_NAME") or _vscode_file()
    if opened and opened.endswith(".ipynb"):
        return f"{Path(opened).stem}/{name}"
    holders = [book.name for book in notebooks(folder) if any(c.name == name for c in book.checks)]
    return f"{holders[0]}/{name}" if len(holders) == 1 else f"/{name}"


def _vscode_file() -> str:
    main = sys.modules.get("__main__")
    return str(getattr(main, "__vsc_ipynb_file__", ""))


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True)
class CheckCell:
    """A check as it stands in a notebook, with what the journal knows of it."""

    name: str
    points: float | None  # None where only the record is at hand
    entry: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        return self.entry is not None and self.entry["first_passed"] is not None


@dataclass(frozen=True)
class NotebookProgress:
    """The checks of one notebook in their order."""

    name: str
    title: str
    path: Path
    checks: tuple[CheckCell, ...]


def notebooks(folder: Path) -> list[NotebookProgress]:
    """The notebooks with checks in a folder and in the folders directly below it, by name."""
    found = []
    for path in sorted([*folder.glob("*.ipynb"), *folder.glob("*/*.ipynb")]):
        if path.parent.name.startswith("."):  # .ipynb_checkpoints: JupyterLab's copies
            continue
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            book = _notebook(path, cells)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # a file that JupyterLab is just saving, or somebody's broken one
        if book.checks:
            found.append(book)
    return found


def _notebook(path: Path, cells: list[dict[str, Any]]) -> NotebookProgress:
    checks, title = [], path.stem.replace("_", " ").capitalize()
    headings = (line for c in cells if c["cell_type"] == "markdown" for line in "".join(c["source"]).splitlines())
    title = next((line[2:].strip() for line in headings if line.startswith("# ")), title)
    entries = read(path.parent / FILE_NAME)
    for cell in cells:
        marks = cell.get("metadata", {}).get("nbgrader", {})
        grade_id = marks.get("grade_id", "")
        if grade_id.startswith("check-"):
            name = grade_id.removeprefix("check-")
            entry = entries.get(f"{path.stem}/{name}") or entries.get(f"/{name}")
            checks.append(CheckCell(name, float(marks.get("points", 0)), entry))
    return NotebookProgress(path.stem, title, path, tuple(checks))


def _recorded(folder: Path) -> list[NotebookProgress]:
    """What the record alone knows, where the notebook is no file beside its kernel (Colab)."""
    checks = tuple(CheckCell(key.partition("/")[2], None, entry) for key, entry in read(folder / FILE_NAME).items())
    return [NotebookProgress("", "Checks so far", folder, checks)] if checks else []


@dataclass(frozen=True)
class Progress:
    """What passed, when, and what is next; a table in a notebook and plain text elsewhere."""

    folder: Path
    books: list[NotebookProgress] = field(default_factory=list)

    def __repr__(self) -> str:
        if not self.books:
            return f"No notebook with checks was found in {self.folder.name or self.folder}."
        lines = []
        for book in self.books:
            passed = sum(c.passed for c in book.checks)
            width = max(len(c.name) for c in book.checks)
            lines.append(f"{book.title}  [{_text_bar(passed, len(book.checks))}] {passed} of {len(book.checks)}")
            lines += [f"  {c.name:<{width}}  {_state(c)}" for c in book.checks]
            lines.append(f"  {_next(book)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self.books:
            return f"<p>{html.escape(repr(self))}</p>"
        single = len(self.books) == 1
        return "".join(_html_book(book, self.folder, opened=single) for book in self.books)


def show_progress(folder: str | Path = ".") -> Progress:
    """The progress of every notebook in a folder and in the folders directly below it.

    Args:
        folder: where the notebooks lie; the folder of the open notebook by default.

    Returns:
        An object that JupyterLab shows as a table with bars, and plain Python as text.
    """
    path = Path(folder).resolve()
    return Progress(path, notebooks(path) or _recorded(path))


def _text_bar(passed: int, total: int, width: int = 20) -> str:
    filled = round(width * passed / total)
    return "#" * filled + "." * (width - filled)


def _points(cell: CheckCell) -> str:
    return "" if cell.points is None else f"{cell.points:g} {'point' if cell.points == 1 else 'points'}"


def _state(cell: CheckCell) -> str:
    entry = cell.entry
    if entry is None:
        return "not tried yet"
    tries = f"{entry['attempts']} {'try' if entry['attempts'] == 1 else 'tries'}"
    if entry["first_passed"] is None:
        return f"not right yet, {tries}"
    state = f"passed {_date(entry['first_passed'])}, {tries}"
    return state if entry["passed"] else f"{state}; failed when last run"


def _next(book: NotebookProgress) -> str:
    following = next((c for c in book.checks if not c.passed), None)
    return f"Next: {following.name}" if following else "All checks pass."


def _date(stamp: str) -> str:
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return f"{moment.day} {moment:%b %H:%M}"


_GREEN, _ORANGE, _GREY = "#2a9d62", "#c77d0a", "rgba(127,127,127,.28)"  # each readable on white and on near-black


def _html_book(book: NotebookProgress, folder: Path, opened: bool) -> str:
    passed, total = sum(c.passed for c in book.checks), len(book.checks)
    link = html.escape(book.path.relative_to(folder).as_posix(), quote=True)
    rows = "".join(
        f'<tr><td style="text-align:left;padding:2px 14px 2px 0"><span style="color:{_color(c)}">&#9679;</span> '
        f'<code style="background:none">{html.escape(c.name)}</code></td>'
        f'<td style="text-align:right;padding:2px 14px 2px 0">{_points(c)}</td>'
        f'<td style="text-align:left;padding:2px 0">{html.escape(_state(c))}</td></tr>'
        for c in book.checks
    )
    bar = (
        '<span style="display:inline-block;width:12em;height:.7em;border-radius:.35em;overflow:hidden;'
        f'background:{_GREY}"><span style="display:block;height:100%;width:{100 * passed / total:.1f}%;'
        f'background:{_GREEN}"></span></span>'
    )
    return (
        f'<details {"open" if opened else ""} style="margin:.4em 0"><summary style="cursor:pointer">'
        f'<a href="{link}"><b>{html.escape(book.title)}</b></a> &nbsp; {bar} &nbsp; {passed} of {total} checks passed. '
        f"{html.escape(_next(book))}</summary>"
        f'<table style="margin:.4em 0 .8em 1.2em;border-collapse:collapse">{rows}</table></details>'
    )


def _color(cell: CheckCell) -> str:
    if cell.passed:
        return _GREEN
    return _ORANGE if cell.entry is not None else "rgba(127,127,127,.7)"
