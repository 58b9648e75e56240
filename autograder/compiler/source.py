"""A notebook source (py:percent text) as a list of typed cells, with every mistake named by file and cell.

The header of a cell says what it is (docs/architecture.md, section 1); this module reads headers and checks that the
cells fit together. It does not look into the library.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import jupytext

from autograder.compiler.syllabus import syllabus
from autograder.errors import CourseError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")
DIVIDER = re.compile(r"^---[ \t]*$", re.MULTILINE)
_HEADER = re.compile(r"^# %%(?=\s|\[|$)", re.MULTILINE)
_EXERCISE = re.compile(r"\bexercise\s*=")
_COMMENTED_MAGIC = re.compile(r"^(\s*)# ((?:# )*)(?=%{1,2}[A-Za-z_]|!)", re.MULTILINE)
# jupytext's own notes about the text form, of no interest here
_BOOKKEEPING = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker", "region_name", "title"}


@dataclass(frozen=True)
class _Rule:
    cell_type: str
    optional: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


_RULES: dict[str, _Rule] = {
    "hints": _Rule("markdown"),
    "predict": _Rule("markdown"),
    "answer": _Rule("markdown", frozenset({"lecture", "minutes"}), frozenset({"points"})),
    "scheme": _Rule("markdown"),
    "setup": _Rule("code"),
    "experiment": _Rule("code"),
    "widget": _Rule("code"),
    "exercise": _Rule(
        "code", frozenset({"lecture", "forbids", "seconds"}), frozenset({"points", "minutes", "difficulty"})
    ),
    "check": _Rule("code"),
    "quiz": _Rule("code", frozenset({"lecture", "minutes"}), frozenset({"points"})),
}
_ALL_KEYS = sorted(set(_RULES).union(*(rule.optional | rule.required for rule in _RULES.values())))


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook source.

    `kind` is a key of the table of headers (`exercise`, `check`, ...), or `prose` and `demo` for cells without one.
    """

    kind: str
    name: str  # empty for prose and demo
    cell_type: str  # code or markdown
    source: str
    position: int
    where: str  # "softmax_regression.py, cell 12 (line 140)"
    title: str
    points: float = 0.0
    minutes: int | None = None
    difficulty: int | None = None
    lecture: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    seconds: float | None = None

    def fail(self, message: str) -> NoReturn:
        raise CourseError(f"{self.where}: {message}")

    def halves(self) -> tuple[str, str]:
        """What stands above and below the line `---`.

        Raises:
            CourseError: there is no such line, or one half is empty.
        """
        parts = DIVIDER.split(self.source, maxsplit=1)
        if len(parts) != 2 or not parts[0].strip() or not parts[1].strip():
            self.fail(f"{self.kind}={self.name!r} needs a question, then a line `---`, then the answer")
        return parts[0].strip("\n"), parts[1].strip("\n")


def read_source(path: Path) -> tuple[Cell, ...]:
    """Read and check one notebook source.

    Args:
        path: a py:percent file, for example solutions/01_softmax_regression/softmax_regression.py.

    Returns:
        Its cells in the order of the file.

    Raises:
        CourseError: the file is missing or a cell cannot be used; the message names the file and the cell.
    """
    return parse_source(_text(path), path.name)


def exercise_cells(path: Path) -> Iterator[Cell]:
    """The exercise cells of a source, found by their headers: unchecked, and with nothing but their text and place.

    Reading a source takes a while; of the assignments to come, a release needs to know no more than what they ask for.

    Raises:
        CourseError: the file is missing, or no text.
    """
    text = _text(path)
    starts = [match.start() for match in _HEADER.finditer(text)]
    for start, end in itertools.pairwise([*starts, len(text)]):
        header, _, body = text[start:end].partition("\n")
        if _EXERCISE.search(header):
            where = f"{path.name}, line {text.count(chr(10), 0, start) + 1}"
            yield Cell("exercise", "", "code", body, -1, where, "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        folder = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
        raise CourseError(f"{folder} not found; course.toml lists this notebook: write its source there") from None
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path.name} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def parse_source(text: str, name: str) -> tuple[Cell, ...]:
    """`read_source` on text; `name` stands for the file in messages."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    lines = [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]
    if not lines:
        raise CourseError(f"{name}: found no cell; each cell begins with a header line `# %%`")
    # Comments must stay comments: by default jupytext takes `# larger?` or `# ls` for a shell command.
    form = {"extension": ".py", "format_name": "percent", "comment_magics": False}
    try:
        raw = jupytext.reads(text, fmt=form).cells
    except Exception as error:
        raise CourseError(f"{name}: jupytext cannot read it as py:percent: {error}") from None
    if len(raw) == len(lines) + 1:
        raise CourseError(f"{name}, line 1: text stands before the first cell header; begin the file with `# %%`")
    cells = []
    for index, node in enumerate(raw):
        line = f" (line {lines[index]})" if len(raw) == len(lines) else ""
        cells.append(_cell(node, index, f"{name}, cell {index + 1}{line}"))
    _check_together(cells)
    return tuple(cells)


def _cell(node: Any, index: int, where: str) -> Cell:
    metadata: dict[str, Any] = {k: v for k, v in node.metadata.items() if k not in _BOOKKEEPING}

    def fail(message: str) -> NoReturn:
        raise CourseError(f"{where}: {message}")

    if "incorrectly_encoded_metadata" in metadata:
        fail(f'cannot read the header at `{metadata["incorrectly_encoded_metadata"]}`; write key="value" or key=3')
    if node.cell_type not in ("code", "markdown"):
        fail(f"a {node.cell_type} cell; use `# %%` for code or `# %% [markdown]` for prose")
    for key in metadata:
        if key not in _ALL_KEYS:
            close = difflib.get_close_matches(key, _ALL_KEYS, 1)
            fail(
                f"unknown key {key!r}"
                + (f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(_ALL_KEYS)}")
            )
    kinds = [key for key in metadata if key in _RULES]
    if len(kinds) > 1:
        fail(f"a cell is one thing; this one is {' and '.join(kinds)}")
    source = node.source.strip("\n")
    title = str(node.metadata.get("title", "")).strip()
    if not kinds:
        if metadata:
            fail(f"the key {next(iter(metadata))!r} belongs to an exercise, a quiz or an answer; this cell is none")
        if not source.strip():
            fail("the cell is empty; remove its header or write something")
        if node.cell_type == "code":
            return Cell("demo", "", "code", _live_magics(source), index, where, title)
        return Cell("prose", "", "markdown", source, index, where, title)

    kind = kinds[0]
    rule = _RULES[kind]
    name = metadata.pop(kind)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        fail(f"{kind}={name!r}: a name has letters, digits and _, a letter first, 41 characters at most")
    if node.cell_type != rule.cell_type:
        header = "# %% [markdown]" if rule.cell_type == "markdown" else "# %%"
        fail(f"{kind}={name!r} must be a {rule.cell_type} cell: begin it with `{header}`")
    for key in metadata:
        if key not in rule.optional | rule.required:
            usable = sorted(rule.optional | rule.required)
            fail(
                f"{kind}={name!r} has no key {key!r}; "
                + (f"it knows {', '.join(usable)}" if usable else "it needs none")
            )
    for key in sorted(rule.required):
        if key not in metadata:
            fail(f"{kind}={name!r} has no {key}; add for example {key}=2")
    if not source.strip():
        fail(f"{kind}={name!r} is empty")
    return Cell(
        kind=kind,
        name=name,
        cell_type=rule.cell_type,
        source=_live_magics(source) if rule.cell_type == "code" else source,
        position=index,
        where=where,
        title=title or name.replace("_", " "),
        points=float(_number(metadata, "points", fail) or 0.0),
        minutes=_whole(metadata, "minutes", fail),
        difficulty=_whole(metadata, "difficulty", fail, highest=5),
        lecture=_lectures(metadata.get("lecture", ""), fail),
        forbids=_dotted(metadata.get("forbids", ""), fail),
        seconds=_number(metadata, "seconds", fail),
    )


def _live_magics(source: str) -> str:
    """`# %matplotlib inline` is a magic that a .py file has to hide; `# # %matplotlib` is a comment about one."""
    return _COMMENTED_MAGIC.sub(r"\1\2", source)


def _number(metadata: Mapping[str, Any], key: str, fail: Any) -> float | None:
    value = metadata.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e4:
        fail(f"{key} must be a positive number, found {value!r}; write for example {key}=2")
    return float(value)


def _whole(metadata: Mapping[str, Any], key: str, fail: Any, highest: int = 600) -> int | None:
    value = metadata.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        fail(f"{key} must be a whole number from 1 to {highest}, found {value!r}")
    return value


def _lectures(value: Any, fail: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        fail(f'lecture must be text such as lecture="L02.06", found {value!r}')
    ids = tuple(value.replace(",", " ").split())
    for row in ids:
        if row not in syllabus():
            fail(f"lecture id {row!r} is not in autograder/compiler/syllabus.toml; ids look like L02.06")
    return ids


def _dotted(value: Any, fail: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        fail(f'forbids must be text such as forbids="torch.softmax", found {value!r}')
    names = tuple(value.replace(",", " ").split())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            fail(f"forbids names {name!r}; write dotted names such as torch.nn.functional.softmax, separated by spaces")
    return names


def _check_together(cells: list[Cell]) -> None:
    seen: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        if cell.kind in ("prose", "demo"):
            continue
        if (cell.kind, cell.name) in seen:
            first = seen[cell.kind, cell.name]
            cell.fail(f"the name {cell.kind}={cell.name!r} is used twice; first in {first.where.partition(', ')[2]}")
        seen[cell.kind, cell.name] = cell
    graded: dict[str, Cell] = {}
    for cell in cells:
        if cell.kind in ("exercise", "quiz", "answer"):
            if cell.name in graded:
                other = graded[cell.name]
                cell.fail(
                    f"{cell.kind}={cell.name!r}: the {other.kind} in {other.where.partition(', ')[2]} has this name"
                )
            graded[cell.name] = cell
    for cell in cells:
        if cell.kind == "exercise" and ("check", cell.name) not in seen:
            cell.fail(f'exercise={cell.name!r} has no check; add a cell `# %% check="{cell.name}"` below it')
        if cell.kind == "answer" and ("scheme", cell.name) not in seen:
            cell.fail(f'answer={cell.name!r} has no mark scheme; add a cell `# %% [markdown] scheme="{cell.name}"`')
        if cell.kind == "check":
            partner = seen.get(("exercise", cell.name))
            if partner is None:
                cell.fail(f"check={cell.name!r} has no exercise; add one of this name above it, or rename the check")
            elif partner.position > cell.position:
                cell.fail(f"check={cell.name!r} stands above its exercise; move it below")
            named = re.search(r"\bcheck\(\s*[\"']([^\"']+)[\"']", cell.source)
            if named and named.group(1) != cell.name:
                cell.fail(f"check={cell.name!r} opens check({named.group(1)!r}); use one name for both")
        if cell.kind == "scheme" and ("answer", cell.name) not in seen:
            cell.fail(f"scheme={cell.name!r} has no written question; add answer={cell.name!r}, or rename the scheme")
        if cell.kind == "hints" and cell.name not in graded:
            cell.fail(f"hints={cell.name!r} belong to no exercise, quiz or answer of this notebook; rename them")
