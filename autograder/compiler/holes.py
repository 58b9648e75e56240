"""Cut exercises out of library source text.

What a student is asked to write is described by places in the text (`Hole`), found with the syntax tree and applied to
the text itself, so that comments, decorators, signatures and docstrings outside the holes stay as they were written.
The same holes make the student's cell (the object alone) and the student edition of a module (in place).
"""

from __future__ import annotations

import ast
import functools
import io
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef

_BEGIN = re.compile(r"^[ \t]*#+[ \t]*BEGIN SOLUTION[ \t]*$")
_END = re.compile(r"^[ \t]*#+[ \t]*END SOLUTION[ \t]*$")
_GIVEN = re.compile(r"[ \t]*### GIVEN[ \t]*")


def stub_line(name: str) -> str:
    """The statement that stands for what is to be written."""
    return f'raise NotImplementedError("{name} is not done yet: replace this line with your code.")'


@dataclass(frozen=True)
class Hole:
    """A stretch of text and what students see in its place."""

    start: int
    end: int
    replacement: str
    asks: bool = True  # False: only tidies, such as taking a `### GIVEN` mark away


@dataclass(frozen=True)
class LibraryObject:
    """A function or class of the library, as text."""

    module: str  # dotted, where it is defined
    path: Path
    name: str
    source: str  # as is, dedented
    stub: str


class Module:
    """One library file: its text, its tree, and places in it."""

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label
        try:
            self.tree = ast.parse(text)
        except SyntaxError as error:
            raise CourseError(f"{label}, line {error.lineno}: not valid Python: {error.msg}") from None
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, lineno: int, column: int) -> int:
        """Characters before a place that `ast` counts in lines and UTF-8 bytes."""
        line = self._lines[lineno - 1]
        return self._starts[lineno - 1] + len(line.encode()[:column].decode())

    def line_start(self, lineno: int) -> int:
        return self._starts[lineno - 1]

    def line_end(self, lineno: int) -> int:
        """Where the line's text ends, before its line break."""
        return self._starts[lineno - 1] + len(self._lines[lineno - 1].rstrip("\r\n"))

    def line(self, lineno: int) -> str:
        return self._lines[lineno - 1].rstrip("\r\n") if lineno <= len(self._lines) else ""

    @property
    def length(self) -> int:
        return len(self._lines)

    # -- finding ------------------------------------------------------------------------------

    def definitions(self, name: str) -> list[Definition]:
        """The definitions of `name` at module level: one, or several when it is overloaded."""
        return [node for node in _module_level(self.tree.body) if isinstance(node, Definition) and node.name == name]

    def exported_from(self, name: str) -> str | None:
        """The dotted module (absolute, or relative with leading dots) that `name` is imported from."""
        for node in _module_level(self.tree.body):
            if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
                return "." * node.level + (node.module or "")
        return None

    def extent(self, definitions: list[Definition]) -> tuple[int, int]:
        """First and last line of the definitions, decorators and closing comments of the body included."""
        return first_line(definitions[0]), self._last_line(definitions[-1])

    def _last_line(self, node: Definition) -> int:
        last = node.end_lineno or node.lineno
        # The tree ends at the last statement; a comment below it that is indented belongs to the body still.
        probe = last + 1
        while probe <= self.length:
            text = self.line(probe)
            if text.strip():
                indent = len(text) - len(text.lstrip())
                if not text.lstrip().startswith("#") or indent <= node.col_offset:
                    break
                last = probe
            probe += 1
        return last

    # -- cutting ------------------------------------------------------------------------------

    def holes(self, name: str) -> list[Hole]:
        """The holes of one object.

        Raises:
            CourseError: there is no such function or class, or it has nothing to cut.
        """
        definitions = self.definitions(name)
        if not definitions:
            raise CourseError(
                f"{self.label} defines no function or class {name!r}; an exercise names one by its import statement"
            )
        first, last = self.extent(definitions)
        found = self._marked(first, last, name)
        if not found:
            found = [hole for node in definitions for hole in self._whole(node, node.name)]
        if not any(hole.asks for hole in found):
            raise CourseError(
                f"{self.label}: nothing of {name!r} is left to write: it has no body, or `### GIVEN` marks all of it"
            )
        return found

    def _marked(self, first: int, last: int, name: str) -> list[Hole]:
        holes = []
        begin: int | None = None
        for number in range(first, last + 1):
            text = self.line(number)
            if _BEGIN.match(text):
                if begin is not None:
                    raise CourseError(f"{self.label}, line {number}: BEGIN SOLUTION inside the one of line {begin}")
                begin = number
            elif _END.match(text):
                if begin is None:
                    raise CourseError(f"{self.label}, line {number}: END SOLUTION without a BEGIN SOLUTION above it")
                indent = self.line(begin)[: -len(self.line(begin).lstrip())]
                replacement = indent + stub_line(self._qualified(begin, name))
                holes.append(Hole(self.line_start(begin), self.line_end(number), replacement))
                begin = None
        if begin is not None:
            raise CourseError(f"{self.label}, line {begin}: BEGIN SOLUTION of {name!r} has no END SOLUTION")
        return holes

    def _qualified(self, lineno: int, name: str) -> str:
        """`SoftmaxRegression.fit` for a line of that method."""
        parts: list[str] = []
        body: list[ast.stmt] = self.tree.body
        while body:
            around = [
                node
                for node in _module_level(body)
                if isinstance(node, Definition) and node.lineno <= lineno <= self._last_line(node)
            ]
            if not around:
                break
            parts.append(around[0].name)
            body = around[0].body if isinstance(around[0], ast.ClassDef) else []
        return ".".join(parts) or name

    def _whole(self, node: Definition, qualified: str) -> Iterator[Hole]:
        header = self._header_end(node)
        given = self._given(node, header)
        if given is not None:
            yield given
            return
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, Definition):
                    yield from self._whole(child, f"{qualified}.{child.name}")
            return
        if _is_empty(node):
            return
        indent, start = self._body_start(node, header)
        end = self.line_end(self._last_line(node))
        yield Hole(start, end, f"\n{indent}{stub_line(qualified)}")

    def _body_start(self, node: Function, header: tuple[int, int]) -> tuple[str, int]:
        """The indentation of the body, and where the part to write begins."""
        lineno, after_colon = header
        statement = node.body[0]
        if statement.lineno == lineno:  # def f(x): return x
            inner = self.line(node.lineno)[: node.col_offset] + "    "
            return inner, after_colon
        indent = self.line(statement.lineno)[: statement.col_offset]
        if isinstance(statement, Definition):  # a decorated inner function begins at its decorator
            indent = self.line(first_line(statement))[: statement.col_offset]
        if _docstring(node):
            return indent, self.offset(statement.end_lineno or lineno, statement.end_col_offset or 0)
        return indent, self.line_end(lineno)

    def _header_end(self, node: Definition) -> tuple[int, int]:
        """The line of the colon that ends the `def` or `class` line, and the place just behind the colon."""
        depth = 0
        text = self.text[self.line_start(node.lineno) :]
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.OP:
                continue
            if token.string in "([{":
                depth += 1
            elif token.string in ")]}":
                depth -= 1
            elif token.string == ":" and depth == 0:
                lineno = node.lineno + token.end[0] - 1
                return lineno, self.line_start(lineno) + token.end[1]
        raise AssertionError(f"{self.label}, line {node.lineno}: a definition without a colon")

    def _given(self, node: Definition, header: tuple[int, int]) -> Hole | None:
        start, end = self.line_start(node.lineno), self.line_end(header[0])
        mark = _GIVEN.search(self.text, start, end)
        return Hole(mark.start(), mark.end(), "", asks=False) if mark else None

    def cut(self, names: Iterable[str]) -> str:
        """The module's text with the holes of these objects in it."""
        return apply_holes(self.text, [hole for name in names for hole in self.holes(name)])

    def source_of(self, name: str) -> str:
        """The object's source as it stands, dedented, without the marks that are for the compiler."""
        definitions = self.definitions(name)
        first, last = self.extent(definitions)
        return _GIVEN.sub("", textwrap.dedent(self.text[self.line_start(first) : self.line_end(last)]))

    def stub_of(self, name: str) -> str:
        """The object's source with its holes, dedented."""
        holes = self.holes(name)
        first, last = self.extent(self.definitions(name))
        start, end = self.line_start(first), self.line_end(last)
        inside = [Hole(h.start - start, h.end - start, h.replacement, h.asks) for h in holes]
        return textwrap.dedent(apply_holes(self.text[start:end], inside))


def apply_holes(text: str, holes: list[Hole]) -> str:
    for hole in sorted(holes, key=lambda h: h.start, reverse=True):
        text = text[: hole.start] + hole.replacement + text[hole.end :]
    return text


def cut_marked(source: str, name: str, label: str) -> str | None:
    """A cell's source with what lies between its solution marks cut out; `None` when it has no marks."""
    if not re.search(r"(BEGIN|END) SOLUTION", source):
        return None
    module = Module(source, label)
    holes = module._marked(1, module.length, name)
    return apply_holes(source, holes) if holes else None


def module_path(root: Path, module: str) -> Path | None:
    """The file of a dotted module below `root`, if there is one."""
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def read_module(root: Path, module: str) -> tuple[Path, Module]:
    """Parse a module of the repository without importing it.

    Raises:
        CourseError: there is no such file, or it is not Python.
    """
    path = module_path(root, module)
    if path is None:
        raise CourseError(
            f"no module {module}: neither {module.replace('.', '/')}.py nor a package of that name exists"
        )
    return path, parsed(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())


@functools.lru_cache(maxsize=512)
def parsed(text: str, label: str) -> Module:
    """A `Module`, made once for the same text: an assignment names dozens of objects of one file."""
    return Module(text, label)


def find_object(root: Path, module: str, name: str) -> LibraryObject:
    """Find a function or class by the import statement that names it, through re-exports of packages.

    Raises:
        CourseError: it is not there, or has nothing to cut.
    """
    home = module
    for _ in range(8):  # a package may hand the name on; nobody hands it on eight times
        path, found = read_module(root, home)
        if found.definitions(name):
            return LibraryObject(home, path, name, found.source_of(name), found.stub_of(name))
        origin = found.exported_from(name)
        if origin is None:
            break
        home = _absolute(origin, home, is_package=path.name == "__init__.py")
        if module_path(root, home) is None:
            break
    raise CourseError(f"{module} defines no function or class {name!r}; an exercise imports one from course_lib")


def _absolute(origin: str, module: str, is_package: bool) -> str:
    stripped = origin.lstrip(".")
    level = len(origin) - len(stripped)
    if level == 0:
        return origin
    parts = module.split(".")
    keep = parts[: len(parts) - level + (1 if is_package else 0)]
    return ".".join([*keep, stripped] if stripped else keep)


def first_line(node: Definition) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def first_sentence(source: str) -> str:
    """The first sentence of the docstring of the first definition in a source, on one line, or nothing."""
    for node in ast.parse(source).body:
        if isinstance(node, Definition):
            paragraph = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
            return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]
    return ""


def _module_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module is imported, those under `if`, `try` and `with` included."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _module_level(getattr(node, field, []))
        if isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _module_level(handler.body)


def _docstring(node: Function) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def _is_empty(node: Function) -> bool:
    """Nothing to write: an overload, a protocol's or an abstract method."""
    body = node.body[1:] if _docstring(node) else node.body
    for statement in body:
        if isinstance(statement, ast.Pass):
            continue
        if (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and statement.value.value is ...
        ):
            continue
        if isinstance(statement, ast.Raise) and "NotImplementedError" in ast.dump(statement):
            continue
        return False
    return True
