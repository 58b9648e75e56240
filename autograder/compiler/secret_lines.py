"""The lines that must not be released: of solutions, answers, mark schemes and hidden tests.

Lines are compared in a normal form (`normal`), so that other spacing or quotes do not hide one, and only lines that
tell something (`distinctive`) count: `losses = []` stands in many a program.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext

from autograder.compiler.manifest import Manifest, ManifestCell

_TOKEN = re.compile(r"\w+|[^\w\s]")
_NEVER_TELLING = re.compile(
    r"(import|from|def|async def|class|global|nonlocal)\b|@|with torch\.no_grad\(\):|if __name__|for \w+ in \w+:$"
    r"|for \w+ in range\([\w.]+\):$|\w+(\.\w+)*\(\)$|\w+(\.\w+)?=\w+(\.\w+)*(\(\))?$|return \w+(\.\w+)*(\(\))?$"
)
_PUNCTUATION = set("()[]{},.:;'")


@dataclass(frozen=True)
class Secret:
    """A line, or a run of lines, that must not be released."""

    lines: tuple[str, ...]  # in normal form; several: only the run as a whole is secret
    owner: str  # "the solution of log_softmax"


def normal(line: str) -> str:
    """A line without the spacing that Python ignores, with one kind of quotes."""
    line = re.sub(r"\s+", " ", line.strip()).replace('"', "'")
    return re.sub(r" ?([^\w\s]) ?", r"\1", line)


def code_lines(text: str) -> list[str]:
    """The lines of a Python source in normal form, without comments and docstrings."""
    rows: dict[int, list[str]] = {}
    try:
        skipped = {row for start, end in _prose_strings(ast.parse(text)) for row in range(start, end + 1)}
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                continue
            if token.start[0] not in skipped:
                rows.setdefault(token.start[0], []).append(token.string)
    except (SyntaxError, tokenize.TokenError):  # magics, or a fragment
        return [line for line in (normal(re.sub(r"\s#\s.*|^\s*#.*", "", raw)) for raw in text.splitlines()) if line]
    return [line for line in (normal(" ".join(parts)) for _, parts in sorted(rows.items())) if line]


def _prose_strings(tree: ast.Module) -> Iterator[tuple[int, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.end_lineno or node.lineno


def _docstrings(text: str) -> Iterator[str]:
    lines = text.splitlines()
    try:
        tree = ast.parse(text)
    except SyntaxError:  # pytest will say so; the code lines are searched for all the same
        return
    for start, end in _prose_strings(tree):
        yield "\n".join(lines[start - 1 : end]).replace('"""', "")


def comment_lines(text: str) -> list[str]:
    """Comments in normal form that say enough to give something away."""
    found = re.findall(r"#\s+([^\n]+)", text)
    return [normal(line) for line in found if _telling_prose(line)]


def distinctive(line: str, weight: int = 4) -> bool:
    """Whether a code line in normal form tells something that is not in every program.

    Args:
        line: in normal form.
        weight: names, numbers and operators that it must have at least.
    """
    if _NEVER_TELLING.match(line):
        return False
    tokens = [token for token in _TOKEN.findall(line) if token not in _PUNCTUATION]
    telling = {token for token in tokens if not keyword.iskeyword(token) and token not in ("self", "torch", "np")}
    return len(tokens) >= weight and len(telling) >= 3 and len(line) >= 15


def telling_part(line: str) -> str:
    """A solution's line without `return` or the name it is given to, where what remains tells enough by itself."""
    match = re.match(r"return ?|[\w.]+=(?!=)", line)
    rest = line[match.end() :] if match else line
    return rest if distinctive(rest, 8) else line  # shorter formulas may stand in a docstring


def _telling_prose(line: str) -> bool:
    return len(line.split()) >= 6 and len(line) >= 30


def secrets_of_manifest(manifest: Manifest, asked_now: bool) -> list[Secret]:
    """What a manifest knows and students must not.

    Args:
        manifest: of any notebook of the course.
        asked_now: whether the release comes before students have handed this notebook in. Earlier solutions of the
            library are no secret any more; answers and schemes stay one.
    """
    found: list[Secret] = []
    for cell in manifest.cells:
        if cell.kind == "exercise" and (asked_now or cell.module is None):
            found += _of_solution(cell)
        elif cell.kind == "quiz":
            lines = [line for line in code_lines(cell.solved) if not line.endswith("=None")]
            found += [Secret((line,), f"the answer of the quiz {cell.name}") for line in lines]
        elif cell.kind == "answer":
            found += _of_prose(cell.solved, f"the model answer of {cell.name}")
            found += _of_prose(cell.scheme or "", f"the mark scheme of {cell.name}")
    return found


def _of_solution(cell: ManifestCell) -> list[Secret]:
    owner = f"the solution of {cell.name}"
    shown = set(code_lines(cell.released))
    hidden = [line for line in code_lines(cell.solved) if line not in shown]
    found = [Secret((telling_part(line),), owner) for line in hidden if distinctive(line)]
    shown_comments = set(comment_lines(cell.released))
    found += [Secret((line,), owner) for line in comment_lines(cell.solved) if line not in shown_comments]
    found += [Secret(tuple(hidden), owner)] if len(hidden) >= 3 else []
    return found


def _of_prose(text: str, owner: str) -> list[Secret]:
    return [Secret((normal(line),), owner) for line in text.splitlines() if _telling_prose(line)]


def secrets_of_tests(folder: Path) -> list[Secret]:
    """The telling lines of everything in autograder/hidden_tests.

    A misconception's lines are mostly right ones or ones that a notebook may show as a failure; it counts as a whole.
    """
    found: list[Secret] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("misconceptions_"):
            found += _of_misconceptions(text, path.name)
            continue
        owner = f"the hidden tests {path.parent.name}/{path.name}"
        for line in code_lines(text):
            if line.startswith(("def test_", "@exercise(")) or (len(line) >= 28 and distinctive(line, 6)):
                found.append(Secret((line,), owner))
        found += [Secret((line,), owner) for line in comment_lines(text)]
        found += [secret for prose in _docstrings(text) for secret in _of_prose(prose, owner)]
    return found


def _of_misconceptions(text: str, name: str) -> Iterator[Secret]:
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        about = cell.metadata.get("name", "")
        lines = tuple(code_lines(cell.source))
        if len(lines) >= 3:
            yield Secret(lines, f"{name}, {about}")
        if "right" in cell.metadata:
            yield from (Secret((line,), f"{name}, {about}") for line in lines if distinctive(line))


def public_lines(sources: Iterable[str]) -> set[str]:
    """Code lines that students may see because the library around the holes shows them."""
    return {line for text in sources for line in code_lines(text)}
