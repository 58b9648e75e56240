"""Reading a cell for whether calling what it defines can leave anything behind in its process.

Most answers are functions of their arguments: they keep nothing, patch nothing, start nothing. Their tests need no
process of their own, because no call can change what the next one finds. This reading knows such cells by a list of
what they may do; whatever is not on the list is judged in forks, as `autograder.judge.session` describes. A cell
that is read as quiet by mistake can spoil its own author's points, and change what a scene of a test has noted in its
process (docs/security.md says what that is worth); a cell that is read as noisy by mistake costs a few milliseconds.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import symtable
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch

from autograder.cell_source import children, every_node, parse_python
from autograder.judge.forbidden import CALLS_FOR_EVERYBODY, DISGUISES, INNER_ATTRIBUTES, ORDINARY_WORDS

# Modules whose functions depend on their arguments and on the generators of random numbers, which are seeded for every
# test. Everything else that can be imported may keep state.
_MODULES = {
    "math", "cmath", "torch", "torch.nn", "torch.nn.functional", "torch.optim", "torch.linalg", "torch.special",
    "torch.fft",
    "torch.func", "torch.autograd", "torch.autograd.functional", "torch.distributions", "numpy", "numpy.linalg",
    "numpy.random", "numpy.fft", "random", "operator", "itertools", "collections", "collections.abc", "typing",
    "dataclasses", "functools", "numbers", "fractions", "statistics", "copy", "string", "abc", "enum",
    "contextlib", "__future__",
}  # fmt: skip
_KEEPS_STATE = {  # attributes of these modules, or methods, that change something for others or remember calls
    "lru_cache", "cache", "cached_property", "singledispatch", "singledispatchmethod", "seterr", "seterrcall",
    "setbufsize", "save", "load", "savetxt", "loadtxt", "memmap", "fromfile", "tofile", "from_file", "fromregex",
    "genfromtxt", "savez", "savez_compressed", "share_memory_", "compile", "vitals_enabled", "import_ir_module",
    "saved_tensors_hooks", "detect_anomaly", "ABCMeta", "SystemRandom", "thread_safe_generator", "typename",
    "register", "overload", "get_overloads", "no_type_check", "ExitStack", "dump",
}  # fmt: skip
_LOOKS_ROUND = {  # which reach an attribute by a text, evaluate one, or make code of code
    "get_type_hints", "ForwardRef", "Formatter", "format_map", "update_wrapper", "wraps", "make_dataclass",
    "FunctionType", "obj", "ParameterDict", "_modules", "_buffers", "_parameters", "EnumMeta", "EnumType",
}  # fmt: skip
_BUILTINS = {
    "abs", "all", "any", "bin", "bool", "bytes", "callable", "chr", "complex", "dict", "divmod", "enumerate", "filter",
    "float", "format", "frozenset", "hash", "hex", "int", "isinstance", "issubclass", "iter", "len", "list", "map",
    "max", "min", "next", "object", "oct", "ord", "pow", "print", "property", "range", "repr", "reversed", "round",
    "set", "slice", "sorted", "staticmethod", "classmethod", "str", "sum", "super", "tuple", "type", "zip",
    "NotImplemented", "Ellipsis", "__name__", "__class__",
} | {
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, Exception)
}  # fmt: skip
_HIDDEN_METHODS = {"__init__", "__call__", "__len__", "__getitem__", "__name__", "__version__", "__iter__", "__next__"}
_UNUSUAL_METHODS = {  # which run at times that no call of a test chooses, or for other classes
    "__del__", "__new__", "__init_subclass__", "__set_name__", "__reduce__", "__reduce_ex__", "__getattribute__",
    "__class_getitem__", "__torch_function__", "__torch_dispatch__", "__array__", "__array_function__",
    "__array_ufunc__", "__prepare__", "__instancecheck__", "__subclasscheck__", "__getattr__", "__setattr__",
    "__get__", "__set__", "__array_interface__", "__array_struct__", "__dlpack__", "__dlpack_device__", "__buffer__",
}  # fmt: skip
_OF_TENSORS = {"grad", "data", "requires_grad", "real", "imag"}
# Methods of tensors: who calls a method of a class with a tensor as `self` could give it others. What classes of
# students hold is often called by one of a few of these names.
_TENSOR_METHODS = {name for name in dir(torch.Tensor) if callable(getattr(torch.Tensor, name, None))} - {
    "mean", "std", "var", "min", "max", "norm", "size",
}  # fmt: skip
_DECORATORS = {
    "staticmethod", "classmethod", "property", "dataclass", "dataclasses.dataclass", "torch.no_grad", "no_grad",
    "torch.enable_grad", "torch.inference_mode", "override",
}  # fmt: skip
_BASES = {"object", "torch.nn.Module", "nn.Module", "Protocol", "Generic", "ABC"}

_TOP_LEVEL = (
    ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr,
    ast.For, ast.While, ast.If, ast.With, ast.Assert, ast.Pass, ast.Raise, ast.Try, ast.Break, ast.Continue,
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What the functions of a quiet cell may use of the cells before it."""

    modules: dict[str, str] = field(default_factory=dict)  # name -> module
    steady: frozenset[str] = frozenset()  # functions, classes and constants: calling or reading them changes nothing
    changing: frozenset[str] = frozenset()  # names of what may be changed

    def __or__(self, other: Names) -> Names:
        """These names after a further cell."""
        gone = other.changing | other.modules.keys()
        modules = {k: v for k, v in self.modules.items() if k not in other.changing | other.steady}
        return Names(modules | other.modules, (self.steady - gone) | other.steady, self.changing | other.changing)


NOTHING = Names()


def quiet_names(source: str, known: Names, asked: tuple[str, ...] = ()) -> Names | None:
    """Read one cell.

    Args:
        source: the cell.
        known: what the cells before it define.
        asked: names that an exercise asks for; tests call them, so they must be functions, classes or constants.

    Returns:
        What the cell defines that later quiet cells may use; None where a call may leave something behind.
    """
    tree = parse_python(source)
    if tree is None:
        return None
    try:
        cell = _Cell(known)
        cell.read(tree, source)
    except (_Noisy, SyntaxError, RecursionError):
        return None
    defined = cell.names()
    bound = cell.steady | cell.values | cell.modules.keys()
    return None if any(name in bound and name not in defined.steady for name in asked) else defined


@functools.lru_cache(maxsize=32)
def released_names(
    setup: tuple[str, ...], references: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[Names, tuple[Names, ...]]:
    """What a release gives to quiet cells.

    Args:
        setup: sources of the set-up cells. references: source and names of each entry's reference, in order.

    Returns:
        What the set-up gives (modules, and what comes from them or from the course's library), and what each reference
        adds when it takes the place of the student's answer.
    """
    known = NOTHING
    for source in setup:
        tree = parse_python(source)
        for node in tree.body if tree is not None else ():
            if isinstance(node, ast.Import | ast.ImportFrom):
                cell = _Cell(known)
                try:
                    cell.bring_in(node, ours=True)
                except _Noisy:
                    continue
                known |= cell.names()
    first, added = known, []
    for source, names in references:
        found = quiet_names(source, known)
        added.append(Names(changing=frozenset(names)) if found is None else found)
        known |= added[-1]
    return first, tuple(added)


class _Noisy(Exception):
    """Something that is not on the list."""


class _Cell:
    """One reading of one cell."""

    def __init__(self, known: Names):
        self.known = known
        self.modules: dict[str, str] = {}
        self.inner: dict[str, str] = {}  # modules that its functions import
        self.steady: set[str] = set()
        self.values: set[str] = set()  # names that the cell binds to what may be changed
        self.used: set[str] = set()  # names of the cell or its surroundings that its functions use
        self.depth = 0  # of functions round the node that is being read

    def names(self) -> Names:
        return Names(self.modules, frozenset(self.steady - self.values), frozenset(self.values))

    def read(self, tree: ast.Module, source: str) -> None:
        """Read everything.

        Raises:
            _Noisy: a call may leave something behind.
        """
        table = symtable.symtable(source, "cell", "exec")
        self._collect_used(table)
        for node in tree.body:
            self._bind(node)
        for inner in every_node(tree):
            if isinstance(inner, ast.Import | ast.ImportFrom) and inner not in tree.body:
                self._bring_inside(inner)
        for node in tree.body:
            self._statement(node)
        own = self.steady | self.modules.keys()
        if self.used & self.values or not self.used <= own | self.known.steady | self.known.modules.keys() | _BUILTINS:
            raise _Noisy

    def _collect_used(self, table: symtable.SymbolTable, at_top: bool = True) -> None:
        for child in table.get_children():
            runs_at_once = at_top and child.get_name() in _COMPREHENSIONS
            for symbol in child.get_symbols():
                if symbol.get_name() == "self" and (symbol.is_assigned() or symbol.is_imported()):
                    raise _Noisy  # see `_changed`
                if symbol.is_declared_global():
                    raise _Noisy
                if symbol.is_global() and symbol.is_referenced() and not runs_at_once:
                    self.used.add(symbol.get_name())
            self._collect_used(child, runs_at_once)

    # -- what a cell binds ------------------------------------------------------------------------------------

    def _bind(self, node: ast.stmt) -> None:
        if not isinstance(node, _TOP_LEVEL):
            raise _Noisy
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            self.steady.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self.bring_in(node)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            kept = _is_constant(node.value) or isinstance(node.value, ast.Lambda) or self._is_steady(node.value)
            (self.steady if kept else self.values).add(node.targets[0].id)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            kept = node.value is None or _is_constant(node.value)
            (self.steady if kept else self.values).add(node.target.id)
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    self.values.add(inner.id)
                elif isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
                    raise _Noisy  # bound perhaps, and perhaps not

    def bring_in(self, node: ast.Import | ast.ImportFrom, ours: bool = False) -> None:
        """Note what an import binds; `ours` lets the course's library in.

        Raises:
            _Noisy: it may keep state.
        """
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in _MODULES:
                    raise _Noisy
                name = alias.name if alias.asname else alias.name.split(".")[0]
                self.modules[alias.asname or name] = name
            return
        source = node.module or ""
        library = ours and source.startswith("course_lib.") and not source.startswith("course_lib.kit.")
        if node.level or not (library or source in _MODULES):
            raise _Noisy
        for alias in node.names:
            if library:
                self.steady.add(alias.asname or alias.name)
            elif (inner := _inner_module(source, alias.name)) is not None:
                self.modules[alias.asname or alias.name] = inner
            else:
                self._attribute(alias.name)
                self.steady.add(alias.asname or alias.name)

    # -- what it does -----------------------------------------------------------------------------------------

    def _statement(self, node: ast.AST) -> None:
        """Read a node and everything in it."""
        read = _READERS.get(type(node))
        if read is None or read(self, node):
            for child in children(node):
                self._statement(child)

    # Readers of one kind of node; they say whether what is in it has to be read as well.

    def _read_attribute(self, node: ast.Attribute) -> bool:
        if not isinstance(node.ctx, ast.Load):
            self._changed(node)
        if self._module_of(node) is not None:
            raise _Noisy  # under another name nobody would know what is asked of it
        if node.attr == "format" and not _is_plain_format(node.value):
            raise _Noisy
        if node.attr == "__name__" and (inner := _of_type_call(node.value)) is not None:
            self._statement(inner)
            return False
        root: ast.expr = node
        while isinstance(root, ast.Attribute):
            self._attribute(root.attr)
            root = root.value
        if not (isinstance(root, ast.Name) and self._module(root.id)):
            self._statement(root)
        return False

    def _read_subscript(self, node: ast.Subscript) -> bool:
        if not isinstance(node.ctx, ast.Load):
            self._changed(node)
        return True

    def _read_name(self, node: ast.Name) -> bool:
        name = node.id
        if name == "type" or name in _DISGUISES or (name.startswith("__") and name not in _BUILTINS):
            raise _Noisy
        if (
            isinstance(node.ctx, ast.Load)
            and self._module(name)
            and (self.depth == 0 or name in self.used or name in self.inner)
        ):
            raise _Noisy  # a module as a value: see `_read_attribute`
        if self.depth == 0 and (hasattr(builtins, name) or name in _SHELL_NAMES) and not self._knows(name):
            raise _Noisy
        return False

    def _knows(self, name: str) -> bool:
        """Whether a name is the cell's own, or harmless."""
        return name in self.steady or name in self.values or name in _BUILTINS

    def _read_compare(self, node: ast.Compare) -> bool:
        for side in (node.left, *node.comparators):
            self._statement(_of_type_call(side) or side)
        return False

    def _read_named(self, node: ast.NamedExpr) -> bool:
        if self.depth == 0 and node.target.id not in self.values:
            raise _Noisy  # a second name that a statement binds
        return True

    def _read_with(self, node: ast.With) -> bool:
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)):
            raise _Noisy  # what the block has changed stays so while the generator waits
        return True

    def _bring_inside(self, node: ast.Import | ast.ImportFrom) -> None:
        cell = _Cell(NOTHING)
        cell.bring_in(node)
        for name, module in cell.modules.items():
            if (self._module(name) or module) != module:
                raise _Noisy  # two modules of one name
            self.inner[name] = module

    def _skip(self, node: ast.AST) -> bool:
        return False

    def _read_pattern(self, node: ast.MatchClass) -> bool:
        for name in node.kwd_attrs:
            self._attribute(name)
        return True

    def _refuse(self, node: ast.AST) -> bool:
        raise _Noisy

    def _function(self, node: ast.FunctionDef | ast.Lambda, of_class: bool = False) -> bool:
        decorators = getattr(node, "decorator_list", [])
        parameters = [p for p in ast.iter_child_nodes(node.args) if isinstance(p, ast.arg)]
        method = of_class and not any(_dotted(d) in ("staticmethod", "classmethod") for d in decorators)
        if any(p.arg == "self" for p in parameters[int(method) :]):
            raise _Noisy  # see `_changed`
        if getattr(node, "name", "") in _UNUSUAL_METHODS or not all(_dotted(d) in _DECORATORS for d in decorators):
            raise _Noisy
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        if self.depth == 0 and not all(_is_constant(d) or self._is_steady(d) for d in defaults):
            raise _Noisy  # a default value is kept from call to call
        hints = [hint for hint in (*(p.annotation for p in parameters), getattr(node, "returns", None)) if hint]
        for part in (*decorators, *defaults, *(hint for hint in hints if not _is_plain_hint(hint))):
            self._statement(part)
        self.depth += 1
        for part in node.body if isinstance(node, ast.FunctionDef) else [node.body]:
            self._statement(part)
        self.depth -= 1
        return False

    def _class(self, node: ast.ClassDef) -> bool:
        own = self.steady | self.known.steady
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        if node.keywords or not all(_dotted(base) in _BASES | _BUILTINS | own for base in bases):
            raise _Noisy
        if not all(_dotted(d) in _DECORATORS for d in node.decorator_list):
            raise _Noisy
        for outer in (*node.decorator_list, *node.bases):
            self._statement(outer)
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                self._function(part, of_class=True)
            elif isinstance(part, ast.Assign | ast.AnnAssign):
                if isinstance(part, ast.AnnAssign):
                    self._statement(part.annotation)
                targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                if not all(isinstance(t, ast.Name) and not t.id.startswith("__") for t in targets):
                    raise _Noisy
                if part.value is not None and not _is_constant(part.value):
                    raise _Noisy  # shared by all instances
            elif not isinstance(part, ast.Pass) and not (isinstance(part, ast.Expr) and _is_constant(part.value)):
                raise _Noisy
        return False

    def _changed(self, node: ast.Attribute | ast.Subscript) -> None:
        """An entry or attribute is set: of something that the function was given or has made."""
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self.used | self.steady | self.modules.keys():
            raise _Noisy
        if root.id in ("cls", *self.known.steady, *self.known.modules):
            raise _Noisy
        if not isinstance(node, ast.Attribute) or node.attr in _OF_TENSORS:
            return
        if root.id != "self" or not self.depth or node.attr in _TENSOR_METHODS:
            raise _Noisy  # perhaps of a function, under another name

    def _attribute(self, name: str) -> None:
        if name.startswith("__"):
            if name not in _HIDDEN_METHODS:
                raise _Noisy
        elif name.startswith(("set_", "register_", "_register")) or name in _STATEFUL:
            raise _Noisy

    def _module_of(self, node: ast.Attribute) -> str | None:
        """The module that a chain of names stands for, if it is one: ``torch.backends`` leads into a module that is
        not on the list."""
        parts = _dotted(node).split(".")
        module = self._module(parts[0])
        for part in parts[1:]:
            if module is None:
                return None
            if part.startswith("_"):
                raise _Noisy
            module = _inner_module(module, part)
        return module

    def _is_steady(self, node: ast.expr) -> bool:
        """A function, class or module by its name, or an attribute of a module such as ``torch.float64``."""
        root = _dotted(node).split(".")[0]
        if isinstance(node, ast.Attribute):
            return self._module(root) is not None
        own = root in self.steady or root in self.known.steady or root in _BUILTINS
        return isinstance(node, ast.Name) and (own or self._module(root) is not None)

    def _module(self, name: str) -> str | None:
        """The module that a name stands for."""
        return self.modules.get(name) or self.inner.get(name) or self.known.modules.get(name)


_DISGUISES = DISGUISES - ORDINARY_WORDS
_STATEFUL = _KEEPS_STATE | _LOOKS_ROUND | INNER_ATTRIBUTES | CALLS_FOR_EVERYBODY | _DISGUISES
_READERS: dict[type[ast.AST], Callable[[_Cell, Any], bool]] = {
    ast.FunctionDef: _Cell._function,
    ast.Lambda: _Cell._function,
    ast.ClassDef: _Cell._class,
    ast.Attribute: _Cell._read_attribute,
    ast.Subscript: _Cell._read_subscript,
    ast.Name: _Cell._read_name,
    ast.Compare: _Cell._read_compare,
    ast.NamedExpr: _Cell._read_named,
    ast.With: _Cell._read_with,
    ast.MatchClass: _Cell._read_pattern,
    ast.Import: _Cell._skip,  # read already
    ast.ImportFrom: _Cell._skip,
    **dict.fromkeys((ast.Global, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await), _Cell._refuse),
}
_COMPREHENSIONS = {"listcomp", "setcomp", "dictcomp", "genexpr"}
_HINTS = (
    ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Tuple, ast.List, ast.Constant, ast.expr_context
)  # fmt: skip
_INNER_FIELD = re.compile(r"\{[^{}:!]*[.\[]")
_SHELL_NAMES = {"get_ipython", "exit", "quit", "In", "Out", "display"}


def _is_constant(node: ast.expr) -> bool:
    """Numbers, strings, None, and tuples and arithmetic of these."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Tuple):
        return all(_is_constant(item) for item in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    return isinstance(node, ast.BinOp) and _is_constant(node.left) and _is_constant(node.right)


def _of_type_call(node: ast.expr) -> ast.expr | None:
    """The `x` of `type(x)`, which may be compared and named: as a value, it makes classes that nobody has read."""
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"
    if not plain or len(node.args) != 1 or isinstance(node.args[0], ast.Starred) or node.keywords:  # type: ignore[attr-defined]
        return None
    return node.args[0]  # type: ignore[attr-defined]


def _is_plain_hint(node: ast.expr) -> bool:
    """Names and brackets, which call nothing; what they stand for is out of reach of the function."""
    return all(isinstance(inner, _HINTS) for inner in ast.walk(node))


def _is_plain_format(node: ast.expr) -> bool:
    """A text whose fields are whole arguments, not attributes or entries of them."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and not _INNER_FIELD.search(node.value)


def _dotted(node: ast.expr) -> str:
    """``torch.no_grad`` for that chain of names, called or not; empty for anything else."""
    if isinstance(node, ast.Call):
        return _dotted(node.func)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value) if not isinstance(node.value, ast.Call) else ""
        return f"{inner}.{node.attr}" if inner else ""
    return ""


@functools.lru_cache(maxsize=1024)
def _inner_module(module: str, name: str) -> str | None:
    """The module that an attribute of a module is; None for a function, class or constant.

    Raises:
        _Noisy: a module that is not on the list.
    """
    value = getattr(sys.modules.get(module), name, None)
    if not isinstance(value, ModuleType) and f"{module}.{name}" not in sys.modules:
        return None
    inner = value.__name__ if isinstance(value, ModuleType) else f"{module}.{name}"
    if inner not in _MODULES:
        raise _Noisy
    return inner
