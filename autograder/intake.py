"""From a file that was handed in to canonical cells: only sources, found by grade id, and nothing of its metadata is
believed.

A damaged notebook is read for what is there. What was found is told kindly, as `Finding`s; nothing here raises for
anything that a file can contain.
"""

from __future__ import annotations

import ast
import codecs
import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.cell_source import parse_cell
from autograder.compiler.manifest import Manifest, ManifestCell, fingerprint, normalise
from autograder.record import Finding
from autograder.records import printable

MAX_FILE = 32 << 20
MAX_CELLS = 5_000
MAX_SOURCE = 100_000  # characters of one cell, and, five times that, of all cells of the student's own
GRADED = ("exercise", "quiz", "answer")
_CHECKED_METADATA = ("grade", "points", "solution", "locked", "task")


@dataclass
class Submission:
    """One notebook of one student, reduced to what may be run.

    Attributes:
        cells: name of an exercise, quiz or answer -> the sources that carry its grade id, in order (usually one).
        extras: definitions and imports of the student's own cells, as (name of the next graded cell or "", source).
        findings: what was noticed.
        sha256: of the file.
        readable: False if nothing could be read.
    """

    cells: dict[str, list[str]] = field(default_factory=dict)
    extras: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    sha256: str = ""
    readable: bool = True

    def source(self, name: str) -> str:
        """The student's text for one name, as shown in feedback."""
        return "\n\n".join(self.cells.get(name, []))

    def note(self, kind: str, message: str, for_student: bool = True) -> None:
        self.findings.append(Finding(kind, message, for_student))


def is_untouched(source: str, cell: ManifestCell) -> bool:
    """Whether a student has left the released cell as it was (in a quiz: but for comments)."""
    if normalise(source) == normalise(cell.released):
        return True
    return cell.kind == "quiz" and _same_code(source, cell.released)


def _same_code(one: str, other: str) -> bool:
    return _code_of(one) is not None and _code_of(one) == _code_of(other)


@functools.lru_cache(maxsize=256)
def _code_of(source: str) -> str | None:
    """A cell without its comments and layout; None where it is not Python."""
    tree = parse_cell(source)
    return None if tree is None else ast.dump(tree)


def read_submission(path: Path, manifest: Manifest) -> Submission:
    """Read one file; whatever it holds, the answer is a `Submission`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            return _unreadable(Submission(), f"the file has {size >> 20} MB; at most {MAX_FILE >> 20} MB are read")
        data = path.read_bytes()
    except OSError as error:
        return _unreadable(Submission(), f"the file cannot be read: {error.strerror}")
    return read_bytes(data, manifest)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, as a record keeps it; empty for a file that `read_submission` does not read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.stat().st_size <= MAX_FILE else ""
    except OSError:
        return ""


def read_bytes(data: bytes, manifest: Manifest) -> Submission:
    """The same for the content of a file."""
    submission = Submission(sha256=hashlib.sha256(data).hexdigest())
    if not data.strip():
        return _unreadable(submission, "the file is empty; save the notebook and hand it in again")
    try:
        notebook = json.loads(_text_of(data, submission))
    except (ValueError, RecursionError, MemoryError) as error:
        where = f" (near character {error.pos} of {len(data)})" if isinstance(error, json.JSONDecodeError) else ""
        return _unreadable(
            submission,
            f"the file is not a notebook: its JSON is broken{where}. It may have been cut off while it was copied",
        )
    cells = _cells_of(notebook)
    if cells is None:
        return _unreadable(submission, "the file is JSON but not a notebook: it has no list of cells")
    if isinstance(notebook, dict) and "worksheets" in notebook:
        submission.note("old_format", "The notebook was saved in format 3; its cells were read all the same.")
    if len(cells) > MAX_CELLS:
        submission.note("too_many_cells", f"The notebook has {len(cells)} cells; the first {MAX_CELLS} were read.")
        cells = cells[:MAX_CELLS]
    _Matcher(submission, manifest).match([c for c in cells if isinstance(c, dict)])
    return submission


def _text_of(data: bytes, submission: Submission) -> str:
    """The text of a file: UTF-8, or what editors on Windows make of it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        submission.note("encoding", "The file is not in UTF-8; letters outside the English alphabet may have changed.")
        return data.decode("cp1252", "replace")


def _unreadable(submission: Submission, reason: str) -> Submission:
    submission.readable = False
    submission.note("unreadable", reason[0].upper() + reason[1:] + ".")
    return submission


def _cells_of(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    if isinstance(notebook.get("cells"), list):
        return notebook["cells"]
    sheets = notebook.get("worksheets")
    if isinstance(sheets, list):  # format 3
        return [
            cell
            for sheet in sheets
            if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
            for cell in sheet["cells"]
        ]
    return None


def _source_of(cell: dict[str, Any]) -> str:
    """The text of a cell: a string, a list of strings, or `input` in format 3."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return ""
    source = source[:MAX_SOURCE].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    return source.encode("utf-8", "replace").decode("utf-8").replace("\0", "")  # lone surrogates cannot be passed on


def _metadata(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return nbgrader if isinstance(nbgrader, dict) else {}


class _Matcher:
    """Finds, for each graded cell of the release, what the student handed in for it."""

    def __init__(self, submission: Submission, manifest: Manifest):
        self.submission = submission
        self.graded = {c.grade_id: c for c in manifest.cells if c.kind in GRADED}
        self.known = {c.grade_id: c for c in manifest.cells}
        self.passages = set(manifest.passages)
        self.order = list(self.graded)
        self.by_definition = {name: c for c in manifest.cells if c.kind in ("exercise", "quiz") for name in c.defines}
        self.found: dict[str, list[str]] = {}
        self.room = 5 * MAX_SOURCE  # characters that cells beyond the released ones may hold
        self.changed: dict[str, list[str]] = {}  # cell -> keys of its grading metadata that are not the release's
        self.extra: list[tuple[int, str]] = []  # (how many graded cells stand before it, source)

    def match(self, cells: list[dict[str, Any]]) -> None:
        loose: list[tuple[int, str]] = []
        seen = 0
        for cell in cells:
            metadata = _metadata(cell)
            claimed = metadata.get("grade_id")
            known = self.known.get(claimed) if isinstance(claimed, str) else None
            if known is None and isinstance(cell.get("id"), str):
                known = self.known.get(cell["id"])
                if known is not None and known.grade_id in self.graded:
                    self._note_once(
                        "metadata_lost",
                        "Some cells have lost their grading metadata; they were recognised by their ids.",
                    )
            if known is not None and known.grade_id in self.graded:
                self._take(known, cell, _source_of(cell), metadata)
                seen = max(seen, self.order.index(known.grade_id) + 1)
            elif known is None and cell.get("cell_type") == "code":
                source = _source_of(cell)
                if fingerprint(source) not in self.passages and self._has_room(source):
                    loose.append((seen, source))
        self._adopt(loose)
        self._finish()

    def _take(self, known: ManifestCell, cell: dict[str, Any], source: str, metadata: dict[str, Any]) -> None:
        kind = cell.get("cell_type")
        if kind != known.cell_type:
            was = f"a {kind} cell" if kind in ("code", "markdown", "raw") else "of a kind of its own"
            self.submission.note(
                "cell_type", f"The cell of {known.name} was {was}; its text was read as {known.cell_type}."
            )
        self._compare_metadata(known, metadata)
        if known.grade_id not in self.found or self._has_room(source):
            self.found.setdefault(known.grade_id, []).append(source)

    def _has_room(self, source: str) -> bool:
        self.room -= len(source)
        if self.room < 0:
            self._note_once("too_long", "There is more text in cells of your own than is read.")
        return self.room >= 0

    def _compare_metadata(self, known: ManifestCell, metadata: dict[str, Any]) -> None:
        if not metadata:
            return
        by_kind: dict[str, dict[str, Any]] = {
            "exercise": {"grade": False, "solution": True, "locked": False, "task": False},
            "quiz": {"grade": True, "solution": True, "locked": False, "task": False, "points": known.points},
            "answer": {"grade": True, "solution": True, "locked": False, "task": False, "points": known.points},
        }
        expected = by_kind[known.kind]
        changed = [
            key for key in _CHECKED_METADATA if key in metadata and key in expected and metadata[key] != expected[key]
        ]
        if changed:
            self.changed[known.name] = changed

    def _adopt(self, loose: list[tuple[int, str]]) -> None:
        """Cells without a grade id: an answer that lost it, or a helper of the student's own."""
        for position, source in loose:
            names = _defined_names(source)
            owners = {self.by_definition[n].grade_id for n in names if n in self.by_definition}
            missing = [g for g in owners if not self._answered(g)]
            if missing:
                for grade_id in missing:
                    name = self.graded[grade_id].name
                    self.submission.note(
                        "recognised", f"The cell of {name} had lost its grade id and was recognised by what it defines."
                    )
                    self.found[grade_id] = [source]
            elif definitions := definitions_of(source):
                self.extra.append((position, definitions))

    def _answered(self, grade_id: str) -> bool:
        cell = self.graded[grade_id]
        return any(source.strip() and not is_untouched(source, cell) for source in self.found.get(grade_id, []))

    def _finish(self) -> None:
        submission = self.submission
        if self.changed:
            keys = ", ".join(sorted({key for changed in self.changed.values() for key in changed}))
            more = f" and {len(self.changed) - 3} more" if len(self.changed) > 3 else ""
            cells = ", ".join(list(self.changed)[:3]) + more
            text = f"The grading metadata of {cells} was changed ({keys}); the release's own was used."
            submission.note("metadata_changed", text, for_student=False)
        for grade_id, cell in self.graded.items():
            sources = self.found.get(grade_id)
            if sources is None:
                submission.note("missing_cell", f"The cell of {cell.name} is not in the notebook.")
                continue
            written = [s for s in sources if s.strip() and not is_untouched(s, cell)] or sources[:1]
            if len(sources) > 1:
                submission.note(
                    "duplicated_cell", f"The cell of {cell.name} is there {len(sources)} times; all were run, in order."
                )
            submission.cells[cell.name] = written
        names = [self.graded[g].name for g in self.order]
        submission.extras = [
            (names[position] if position < len(names) else "", source) for position, source in self.extra
        ]

    def _note_once(self, kind: str, message: str) -> None:
        if all(f.kind != kind for f in self.submission.findings):
            self.submission.note(kind, message)


def _targets(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [t.id for target in node.targets for t in ast.walk(target) if isinstance(t, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [node.target.id]
    return []


def _defined_names(source: str) -> set[str]:
    tree = parse_cell(source)
    return {name for node in tree.body for name in _targets(node)} if tree is not None else set()


def definitions_of(source: str, patches: bool = True) -> str:
    """The imports, functions, classes and constants of a cell: what other cells may need, without what it runs.

    Args:
        source: the cell.
        patches: whether to keep assignments to something else than a plain name, such as ``Net.forward = forward``.

    >>> definitions_of("import math\\nprint(1)\\ndef half(x):\\n    return x / 2\\nwhile True: pass\\nK = 3")
    'import math\\ndef half(x):\\n    return x / 2\\nK = 3'
    """
    tree = parse_cell(source)
    if tree is None:
        return ""
    kept = []
    lines = source.split("\n")
    for node in tree.body:
        keep = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            keep = not any(
                isinstance(n, ast.Call | ast.Await | ast.ListComp | ast.GeneratorExp) for n in ast.walk(node.value)
            ) or isinstance(node.value, ast.Lambda)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            keep = keep and (patches or all(isinstance(target, ast.Name) for target in targets))
        if keep:
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)])
            kept.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n".join(kept)


def find_notebook(folder: Path, name: str, only: bool) -> tuple[Path | None, list[Finding]]:
    """The file of one notebook in the folder of a student's assignment.

    Args:
        folder: `<submitted>/<student>/<assignment>`.
        name: of the notebook.
        only: whether the assignment has no other notebook, so that a renamed file can only be this one.

    Returns:
        The file, or None, and what was noticed. Links are not followed: they may point at somebody else's work.
    """
    exact = folder / f"{name}.ipynb"
    if folder.is_symlink() or folder.parent.is_symlink():
        return None, [
            Finding("link", "The folder that was handed in is a link to another place; links are not followed.")
        ]
    if exact.is_symlink():
        return None, [Finding("link", f"{name}.ipynb is a link to another place; links are not followed.")]
    if exact.is_file():
        return exact, []
    if not folder.is_dir():
        return None, []
    others = sorted(p for p in folder.glob("*.ipynb") if p.is_file() and not p.is_symlink())
    alike = [p for p in others if name in p.stem.lower().replace(" ", "_").replace("-", "_")] or (
        others if only else []
    )
    if not alike:
        return None, []
    chosen = max(alike, key=lambda p: (p.stat().st_mtime, p.name))
    called = printable(chosen.name, 80)
    findings = [Finding("renamed", f"{called} was read as {name}.ipynb.")]
    if len(alike) > 1:
        findings.append(Finding("two_notebooks", f"{len(alike)} files could be {name}.ipynb; the newest was read."))
    return chosen, findings
