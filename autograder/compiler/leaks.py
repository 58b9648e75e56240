"""Search whatever is about to be released for lines that must not be in it, and for traces of a run.

Everything is searched: sources, metadata, attachments and outputs of cells, every file of a folder or of a zip, zips
within zips, and text that is hidden in base64.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autograder.compiler.manifest import Built, build_notebook
from autograder.compiler.release import asked_later, library_files
from autograder.compiler.secret_lines import (
    Secret,
    code_lines,
    normal,
    public_lines,
    secrets_of_manifest,
    secrets_of_tests,
)
from autograder.curriculum import Assignment, Curriculum

_KEY = 12  # characters of a secret by which it is found
_ENCODED = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
_DEEPEST = 6  # archives within archives


class LeakScan:
    """What one release must not show, and the search for it."""

    def __init__(self, secrets: Iterable[Secret], public: set[str]) -> None:
        self._by_key: dict[str, list[Secret]] = {}
        self._short: dict[str, Secret] = {}
        self._runs: dict[str, list[Secret]] = {}
        for secret in secrets:
            if len(secret.lines) > 1:
                self._runs.setdefault(secret.lines[0], []).append(secret)
            elif len(secret.lines[0]) < _KEY:
                self._short.setdefault(secret.lines[0], secret)
            else:
                self._by_key.setdefault(secret.lines[0][:_KEY], []).append(secret)
        for line in public:
            for secret in list(self._in_line(line)):
                self._forget(secret)

    def _forget(self, secret: Secret) -> None:
        """The library around the holes shows this line to everyone."""
        line = secret.lines[0]
        self._short.pop(line, None)
        same_key = self._by_key.get(line[:_KEY], [])
        self._by_key[line[:_KEY]] = [other for other in same_key if other.lines != secret.lines]

    def text(self, text: str) -> Iterator[str]:
        """What leaks in a text, one phrase each."""
        told: set[str] = set()
        for raw in _lines(text):
            line = normal(raw)
            for secret in self._in_line(line):
                if secret.owner not in told:
                    told.add(secret.owner)
                    yield f"shows a line of {secret.owner}: {_short(secret.lines[0])}"
        if "\n" in text:
            yield from (phrase for owner, phrase in self._in_runs(text) if owner not in told)

    def _in_line(self, line: str) -> Iterator[Secret]:
        bare = line.lstrip("#> ")
        if bare in self._short:
            yield self._short[bare]
        for start in range(len(line) - _KEY + 1):
            for secret in self._by_key.get(line[start : start + _KEY], ()):
                wanted = secret.lines[0]
                if line.startswith(wanted, start) and _whole(line, start, start + len(wanted)):
                    yield secret

    def _in_runs(self, text: str) -> Iterator[tuple[str, str]]:
        lines = code_lines(text)
        told: set[str] = set()
        for index, line in enumerate(lines):
            for secret in self._runs.get(line, ()):
                if secret.owner not in told and tuple(lines[index : index + len(secret.lines)]) == secret.lines:
                    told.add(secret.owner)
                    yield secret.owner, f"shows {len(secret.lines)} lines of {secret.owner}, from {_short(line)}"

    def file(self, name: str, data: bytes, depth: int = 0) -> Iterator[str]:
        """What leaks in a file, each with the place: `leak: <file>, <place> <phrase>`."""
        if depth > _DEEPEST:
            yield f"leak: {name} is an archive more than {_DEEPEST} deep; nobody can see what it holds"
        elif data[:4] == b"PK\x03\x04" or name.endswith(".zip"):
            yield from self._archive(name, data, depth)
        elif data[:2] == b"\x1f\x8b":
            try:
                yield from self.file(name.removesuffix(".gz"), gzip.decompress(data), depth + 1)
            except (OSError, EOFError):
                yield f"leak: {name} is a damaged gzip file; nobody can see what it holds"
        elif name.endswith(".ipynb"):
            yield from self._notebook(name, data)
        else:
            yield from (f"leak: {name} {phrase}" for phrase in self._anything(data))

    def _anything(self, data: bytes) -> Iterator[str]:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        yield from self.text(text)
        for inner in _encoded(text):
            yield from (f"hides base64 text that {phrase}" for phrase in self.text(inner))

    def _archive(self, name: str, data: bytes, depth: int) -> Iterator[str]:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        yield from self.file(f"{name}:{info.filename}", archive.read(info), depth + 1)
                yield from (f"leak: {name}, its comment, {p}" for p in self.text(archive.comment.decode("latin-1")))
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
            yield f"leak: {name} is a damaged or locked zip; nobody can see what it holds"

    def _notebook(self, name: str, data: bytes) -> Iterator[str]:
        try:
            document = json.loads(data)
            cells = document["cells"]
        except (ValueError, KeyError, TypeError):
            yield from (f"leak: {name} {phrase}" for phrase in self._anything(data))
            return
        for index, cell in enumerate(cells if isinstance(cells, list) else []):
            if not isinstance(cell, dict):
                continue
            place = f"{name}, cell {index + 1}" + (f" ({cell['id']})" if "id" in cell else "")
            if cell.get("outputs"):
                yield f"leak: {place} holds outputs; a released notebook has none"
            if cell.get("execution_count") is not None:
                yield f"leak: {place} holds an execution count; a released notebook has none"
            for part, value in cell.items():
                for phrase in self._value(value):
                    yield f"leak: {place}, {part}, {phrase}"
        rest = {key: value for key, value in document.items() if key != "cells"}
        if "widgets" in document.get("metadata", {}):
            yield f"leak: {name}, metadata, holds the state of widgets; a released notebook has none"
        for phrase in self._value(rest):
            yield f"leak: {name}, metadata, {phrase}"

    def _value(self, value: Any) -> Iterator[str]:
        seen: set[str] = set()
        for text in _strings(value):
            for phrase in self._anything(text.encode("utf-8", "surrogatepass")):
                if phrase not in seen:
                    seen.add(phrase)
                    yield phrase


def _lines(text: str) -> list[str]:
    # A text inside a text, such as JSON in a string, has its line breaks and quotes escaped.
    return re.sub(r"\\[nrt]", "\n", text).replace('\\"', '"').splitlines()


def _whole(line: str, start: int, end: int) -> bool:
    """Names at both ends of a match are whole names."""
    before = start > 0 and (line[start - 1].isalnum() or line[start - 1] == "_") and _wordy(line[start])
    after = end < len(line) and (line[end].isalnum() or line[end] == "_") and _wordy(line[end - 1])
    return not before and not after


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


def _short(line: str) -> str:
    return f"`{line}`" if len(line) <= 60 else f"`{line[:57]}...`"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)  # nbformat keeps a text as a list of its lines
        else:
            for inner in value:
                yield from _strings(inner)


def _encoded(text: str) -> Iterator[str]:
    for match in _ENCODED.finditer(re.sub(r"(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])", "", text)):
        try:
            data = base64.b64decode(match.group(0), validate=True)
        except (binascii.Error, ValueError):
            continue
        yield data.decode("utf-8", "replace")


def scan_for(curriculum: Curriculum, assignment: Assignment, built: Mapping[str, Built]) -> LeakScan:
    """The search for leaks in what belongs to one assignment.

    Args:
        curriculum: the course.
        assignment: the one that is released.
        built: every notebook of the course, compiled, by name.

    Raises:
        CourseError: a source or the library cannot be used.
    """
    asked = {notebook.name for later in asked_later(curriculum, assignment) for notebook in later.notebooks}
    secrets = secrets_of_tests(curriculum.root / "autograder" / "hidden_tests")
    for name, item in built.items():
        secrets += secrets_of_manifest(item.manifest, asked_now=name in asked)
    edition = library_files(curriculum, assignment)
    return LeakScan(secrets, public_lines(data.decode() for name, data in edition.items() if name.endswith(".py")))


def build_all(curriculum: Curriculum, built: Iterable[Built] = ()) -> dict[str, Built]:
    """Every notebook of the course by name; what is in `built` is not compiled again."""
    done = {item.notebook.name: item for item in built}
    return {
        notebook.name: done.get(notebook.name) or build_notebook(notebook, curriculum)
        for notebook in curriculum.notebooks()
    }


def find_leaks(curriculum: Curriculum, chosen: Iterable[Assignment], built: Iterable[Built]) -> list[str]:
    """Search the folder of each assignment, what its sources compile to, and its student edition of the library.

    Returns:
        One line a leak; nothing when all is well.
    """
    everything = build_all(curriculum, built)
    above = _files(curriculum, "assignments", "*")  # the start page, which lies above all assignments
    found: list[str] = []
    for assignment in chosen:
        scan = scan_for(curriculum, assignment, everything)
        files = above | _files(curriculum, f"assignments/{assignment.name}", "**/*")
        above = {}
        for notebook in assignment.notebooks:
            text = everything[notebook.name].student_text.encode()
            if files.get(notebook.released.relative_to(curriculum.root).as_posix()) != text:
                files[f"{notebook.source.relative_to(curriculum.root).as_posix()} (compiled).ipynb"] = text
        edition = library_files(curriculum, assignment)
        files |= {f"{name} (student edition)": data for name, data in edition.items()}
        for name, data in files.items():
            found += [line for line in scan.file(name, data) if line not in found]
    return found


def _files(curriculum: Curriculum, folder: str, pattern: str) -> dict[str, bytes]:
    return {
        path.relative_to(curriculum.root).as_posix(): path.read_bytes()
        for path in sorted((curriculum.root / folder).glob(pattern))
        if path.is_file() and not {".ipynb_checkpoints", "__pycache__"} & set(path.parts)
    }
