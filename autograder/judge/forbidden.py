"""Reading a student's source for calls that an exercise forbids, and for ways round the guards.

The worker's guards (`autograder.sandbox.guards`) end an ordinary forbidden call when it happens. This reading, done
in the trusted process, finds what does not pass by them: the same function in another library, and constructs whose
only use in a short exercise is to reach a name in disguise.
"""

from __future__ import annotations

import ast
import functools

from autograder.cell_source import every_node, magics_inside, parse_cell, with_measured_code

DISGUISES = {
    "eval", "exec", "compile", "__import__", "importlib", "ctypes", "gc", "inspect", "globals", "vars", "builtins",
    "__builtins__", "__globals__", "__subclasses__", "__getattribute__", "__dict__", "__closure__", "modules", "_C",
    "_VF", "ops", "_jit_internal", "_refs", "_decomp", "_meta_registrations", "cffi", "runpy", "pkgutil",
    "code", "marshal", "pickle", "subprocess", "_getframe", "f_globals", "f_back", "run_line_magic", "get_ipython",
    "attrgetter", "methodcaller", "jit", "compile_command", "library", "cpp_extension", "inductor", "_dynamo",
}  # fmt: skip
# Of these the bare name is a word that students use, and so is `self.code` or `re.compile`: only the attribute of a
# module that leads round the guards is meant.
_ONLY_AS_ATTRIBUTE = {"ops", "modules", "code", "library", "jit", "_C", "inductor"}
ORDINARY_WORDS = _ONLY_AS_ATTRIBUTE | {"compile", "inspect", "gc", "compile_command"}
_FRAMES = {
    "tb_frame", "gi_frame", "cr_frame", "ag_frame", "gi_code", "cr_code", "ag_code", "f_locals",
    "f_builtins", "f_code", "__self__", "__wrapped__", "__code__", "__loader__", "__spec__",
}  # fmt: skip
INNER_ATTRIBUTES = _FRAMES | {"__class__", "__defaults__", "__kwdefaults__", "__func__", "__bases__", "__mro__", "mro"}
# Another program knows nothing of what is shut.
_PROGRAMS = {
    "system", "popen", "posix_spawn", "posix_spawnp", "execl", "execle", "execlp", "execlpe", "execv", "execve",
    "execvp", "execvpe", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe",
}  # fmt: skip
# What goes on beside a cell when it has run: it could keep a way to a function that is shut only then.
_COMPANY = {
    "threading", "_thread", "multiprocessing", "_posixsubprocess", "socket", "socketserver", "concurrent", "fork",
    "forkpty", "register_at_fork", *_PROGRAMS,
}  # fmt: skip
CALLS_FOR_EVERYBODY = {  # calls that change how other code works
    "set_default_dtype", "set_default_device", "set_default_tensor_type", "set_grad_enabled", "set_flush_denormal",
    "use_deterministic_algorithms", "setrecursionlimit", "setitimer", "alarm", "signal", "settrace", "setprofile",
    "chdir", "_exit", "addaudithook", "register_at_fork", "callbacks", "__enter__", "excepthook",
}  # fmt: skip
_INNER = INNER_ATTRIBUTES | CALLS_FOR_EVERYBODY | (DISGUISES - ORDINARY_WORDS)
_LEADING_MODULES = {"torch", "sys", "numpy", "np", "builtins", "importlib", "os", "nn", "F"}
_MODULES_THAT_REPEAT = ("scipy.special", "sklearn.utils.extmath", "jax", "tensorflow", "keras", "scipy.optimize")


def forbidden_uses(source: str, forbids: list[str], own_names: set[str]) -> list[str]:
    """What in a student's cell goes against the exercise's list.

    Args:
        source: the student's cell (magics allowed).
        forbids: dotted names, e.g. ``torch.softmax``.
        own_names: names that the student, or the notebook, defines: calling those is fine.

    Returns:
        One phrase per finding, in the order of the source; empty if there is none.
    """
    if not forbids:
        return []
    tree = parse_cell(with_measured_code(source)) or parse_cell(source)
    if tree is None:
        return []
    finals = {name.rpartition(".")[2] for name in forbids}
    methods = {  # of the student's own classes: `model.softmax(x)` may be one of these
        item.name
        for node in every_node(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    found = [f"{magic[:40]} inside a function" for magic in magics_inside(source) if "%timeit" not in magic[:8]]
    imported: dict[str, str] = {}
    for node in every_node(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                if (
                    alias.name in finals
                    or node.module.startswith(_MODULES_THAT_REPEAT)
                    or alias.name in DISGUISES
                    or node.module.split(".")[0] in DISGUISES | {"autograder"}
                    or _private(f"{node.module}.{alias.name}")
                    or (node.module in ("os", "posix") and alias.name in _PROGRAMS)
                    or node.module.split(".")[0] == "multiprocessing"
                ):
                    found.append(f"from {node.module} import {alias.name}")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                imported[alias.asname or alias.name.split(".")[0]] = alias.name
                parts = set(alias.name.split("."))
                shut = alias.name.startswith(_MODULES_THAT_REPEAT) or parts & (DISGUISES | {"autograder"})
                if shut or _private(alias.name) or "multiprocessing" in parts:
                    found.append(f"import {alias.name}")
    for node in every_node(tree):
        if isinstance(node, ast.Attribute):
            dotted = _dotted(node)
            root = dotted.split(".")[0] if dotted else ""
            if node.attr in finals and root not in ("self", "cls", "") and root not in own_names - imported.keys():
                if node.attr not in methods or root in imported.keys() | _LEADING_MODULES:
                    found.append(dotted)
            elif node.attr in _PROGRAMS and imported.get(root, root).split(".")[0] in ("os", "posix"):
                found.append(dotted)
            elif (
                node.attr in _FRAMES
                or _private(".".join([imported.get(root, root), *dotted.split(".")[1:]]))
                or (
                    node.attr in DISGUISES
                    and (node.attr not in ORDINARY_WORDS or imported.get(root, root).split(".")[0] in _LEADING_MODULES)
                )
            ):
                found.append(dotted or f".{node.attr}")
        elif isinstance(node, ast.MatchClass):  # `case object(__dict__=kept)` asks for attributes as well
            found += [f".{name}" for name in node.kwd_attrs if name in finals | _FRAMES | (DISGUISES - ORDINARY_WORDS)]
        elif isinstance(node, ast.Name) and node.id in DISGUISES - _ONLY_AS_ATTRIBUTE:
            found.append(node.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            name = node.args[1] if len(node.args) > 1 else None
            if not (
                isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value not in finals | DISGUISES
            ):
                found.append("getattr with a name that is not allowed here")
    return list(dict.fromkeys(found))


def _dotted(node: ast.Attribute) -> str:
    """``torch.nn.functional.softmax`` for the attribute chain of that text; empty where it does not begin with a
    name."""
    parts: list[str] = [node.attr]
    value: ast.expr = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name):
        return ""
    return ".".join(reversed([*parts, value.id]))


def _private(dotted: str) -> bool:
    """Whether a dotted name leads into the private parts of torch, where most functions have a twin."""
    first, *others = dotted.split(".")
    return first == "torch" and any(part.startswith("_") and not part.startswith("__") for part in others)


def keeps_company(source: str) -> bool:
    """Whether a cell may leave something running that its own functions can ask later."""
    tampers, names = _signals(source)
    return tampers or not names.isdisjoint(_COMPANY)


def may_tamper(source: str, forbids: list[str]) -> bool:
    """Whether a cell that runs before an exercise could change what the exercise does: by patching a module, by saving
    a forbidden function for it, by undoing the guards.

    The exercise is then judged in a process where no earlier cell has run. A false alarm costs a little time and
    nothing else.
    """
    tampers, names = _signals(source)
    return tampers or not names.isdisjoint(_COMPANY.union(name.rpartition(".")[2] for name in forbids))


@functools.lru_cache(maxsize=1024)
def _signals(source: str) -> tuple[bool, frozenset[str]]:
    """Whether a cell may change how other code works, and every attribute and import that it names."""
    tree = parse_cell(source)
    if tree is None:
        return True, frozenset()
    names: set[str] = set()
    modules = set(_LEADING_MODULES)
    tampers = False
    for node in every_node(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            named = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            parts = {part for name in named for part in name.split(".")}
            names |= parts
            tampers |= bool(parts & (DISGUISES | {"autograder"}))
            tampers |= any(name.startswith(_MODULES_THAT_REPEAT) for name in named)
    for node in every_node(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
            root = _dotted(node).split(".")[0]
            tampers |= node.attr in _INNER
            tampers |= isinstance(node.ctx, ast.Store | ast.Del) and root not in ("self", "cls")
            tampers |= node.attr in ORDINARY_WORDS and root in modules
        elif isinstance(node, ast.MatchClass):
            names.update(node.kwd_attrs)
            tampers |= not _INNER.isdisjoint(node.kwd_attrs)
        elif isinstance(node, ast.Name):
            tampers |= node.id in DISGUISES | {"getattr", "setattr", "delattr", "open"}
    return tampers, frozenset(names)
