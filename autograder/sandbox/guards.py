"""Calls that an exercise forbids, made to fail in the worker while that exercise is tested.

A forbidden name such as ``torch.softmax`` is shut three times: the Python attribute, every alias of that function
object that the student holds, and the kernel below it, so that a method, `torch.ops` or another wrapper ends at the
same wall. This catches every ordinary way; what works around it on purpose is left to the judge's reading of the
source (`autograder.judge.forbidden`).
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

import torch

Undo = Callable[[], object]

# Kernels that do the work of a forbidden function, and its equivalents in other libraries.
_SOFTMAX = (
    "_softmax", "_log_softmax", "_safe_softmax", "_sparse_softmax", "_sparse_log_softmax", "_masked_softmax",
)  # fmt: skip
_ATTENTION = ("_scaled_dot_product_flash_attention_for_cpu",)
_KERNELS = {
    "softmax": (*_SOFTMAX, *_ATTENTION),
    "log_softmax": (*_SOFTMAX, *_ATTENTION),
    "logsumexp": ("logsumexp",),
    "cross_entropy": ("_log_softmax", "nll_loss_forward", "nll_loss2d_forward"),
    "nll_loss": ("nll_loss_forward", "nll_loss2d_forward"),
    "sigmoid": ("sigmoid", "sigmoid_", "log_sigmoid_forward"),
    "logsigmoid": ("log_sigmoid_forward", "sigmoid"),
}
_ELSEWHERE = {
    "softmax": ("scipy.special.softmax", "scipy.special.log_softmax", "sklearn.utils.extmath.softmax"),
    "log_softmax": ("scipy.special.softmax", "scipy.special.log_softmax", "sklearn.utils.extmath.softmax"),
    "logsumexp": ("scipy.special.logsumexp", "numpy.logaddexp.reduce"),
    "sigmoid": ("scipy.special.expit", "scipy.special.log_expit"),
    "lstsq": ("numpy.linalg.lstsq", "scipy.linalg.lstsq"),
}

_kept_alive: list[Any] = []
_ABSENT: Any = object()


class ForbiddenCall(BaseException):
    """Raised where an exercise forbids a call; not an `Exception`, so that a broad `except` does not swallow it."""


def _raiser(name: str) -> Any:
    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise ForbiddenCall(name)

    forbidden.__name__ = name.rpartition(".")[2]
    return forbidden


def _resolve(dotted: str) -> tuple[Any, str, Any] | None:
    """The owner, attribute and object of a dotted name, importing only what is loaded or is part of torch."""
    parts = dotted.split(".")
    owner: Any = sys.modules.get(parts[0])
    for depth, part in enumerate(parts[:-1]):
        if depth == 0:
            continue
        owner = getattr(owner, part, None)
    value = getattr(owner, parts[-1], None) if owner is not None else None
    return None if value is None else (owner, parts[-1], value)


class _BlockedModules(importlib.abc.MetaPathFinder):
    """Shuts the forbidden names of a module that is imported only now."""

    def __init__(self, names: Iterable[str]):
        self.names = tuple(names)

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        for name in self.names:
            if name.rpartition(".")[0] == fullname:
                raise ForbiddenCall(name)


def shut(forbidden: Iterable[str], namespace: dict[str, Any]) -> list[Undo]:
    """Make the forbidden calls fail in this process.

    Args:
        forbidden: dotted names as the exercise states them, e.g. ``torch.nn.functional.cross_entropy``.
        namespace: the student's globals, searched for aliases.

    Returns:
        What `reopen` needs; whoever means to shut them for good throws it away.
    """
    names = list(forbidden)
    undo: list[Undo] = []
    if not names:
        return undo
    finals = {name.rpartition(".")[2] for name in names}
    elsewhere = [other for final in finals for other in _ELSEWHERE.get(final, ())]
    objects: dict[int, str] = {}
    for name in [*names, *elsewhere]:
        found = _resolve(name)
        if found is None:
            continue
        owner, attribute, value = found
        objects[id(value)] = name
        _break(value, name, undo)
        _replace(owner, attribute, _raiser(name), undo)
    # torch.autograd.functional runs on the engine: who forbids its hessian may still ask for torch.autograd.grad.
    engine_users = [name for name in names if not name.startswith("torch.autograd.functional.")]
    if any(name.startswith(("torch.autograd", "torch.Tensor.backward")) for name in engine_users):
        engine = "torch.autograd.graph._engine_run_backward"
        _replace(torch.autograd, "_engine_run_backward", _raiser("torch.autograd"), undo)
        _replace(torch._tensor.torch.autograd, "backward", _raiser("torch.autograd.backward"), undo)
        found = _resolve(engine)
        if found is not None:
            _replace(found[0], found[1], _raiser("torch.autograd"), undo)
    for key, value in list(namespace.items()):
        if id(value) in objects:
            undo.append(functools.partial(namespace.__setitem__, key, value))
            namespace[key] = _raiser(objects[id(value)])
    library = torch.library.Library("aten", "IMPL")
    for kernel, name in {k: n for n in names for k in _KERNELS.get(n.rpartition(".")[2], ())}.items():
        for key in ("SparseCPU",) if "sparse" in kernel else ("CPU", "AutogradCPU"):
            library.impl(kernel, _raiser(name), key)
    _kept_alive.append(library)
    undo += [functools.partial(_kept_alive.remove, library), library._destroy]
    blocked = _BlockedModules(elsewhere)
    sys.meta_path.insert(0, blocked)
    undo.append(functools.partial(sys.meta_path.remove, blocked))
    return undo


def reopen(undo: list[Undo]) -> None:
    """Take back what `shut` did, last things first."""
    while undo:
        undo.pop()()


def _replace(owner: Any, attribute: str, value: Any, undo: list[Undo]) -> None:
    """Set an attribute, where the owner lets us."""
    own = vars(owner).get(attribute, _ABSENT) if hasattr(owner, "__dict__") else getattr(owner, attribute, _ABSENT)
    try:
        setattr(owner, attribute, value)
    except (AttributeError, TypeError):
        return
    if own is _ABSENT:
        undo.append(functools.partial(delattr, owner, attribute))
    else:
        undo.append(functools.partial(setattr, owner, attribute, own))


def _break(value: Any, name: str, undo: list[Undo]) -> None:
    """Make a Python function or class fail wherever it is held: in a closure, a default value, another module."""
    if isinstance(value, types.FunctionType) and not value.__code__.co_freevars:
        undo.append(functools.partial(setattr, value, "__code__", value.__code__))
        value.__code__ = _FAILING.replace(co_name=name)
    elif isinstance(value, type):
        for method in ("__init__", "forward", "__call__"):
            _replace(value, method, _raiser(name), undo)


def _fail(*args: Any, **kwargs: Any) -> Any:
    """The body of forbidden Python functions; it runs with their globals, so it imports what it needs."""
    import sys

    from autograder.sandbox.guards import ForbiddenCall

    raise ForbiddenCall(sys._getframe().f_code.co_name)


_FAILING = _fail.__code__
