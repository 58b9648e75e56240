"""Calls that an exercise forbids, made to fail in the worker while that exercise is tested.

A forbidden name such as ``torch.softmax`` is shut three times: the Python attribute, every alias of that function
object that the student holds, and the kernel below it, so that a method, `torch.ops` or another wrapper ends at the
same wall. This catches every ordinary way; what works around it on purpose is left to the judge's reading of the
source (`autograder.judge.forbidden`).
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
from collections.abc import Iterable
from typing import Any

import torch

# Kernels that do the work of a forbidden function, and its equivalents in other libraries.
_KERNELS = {
    "softmax": ("_softmax", "_log_softmax", "_safe_softmax"),
    "log_softmax": ("_log_softmax", "_softmax", "_safe_softmax"),
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


def shut(forbidden: Iterable[str], namespace: dict[str, Any]) -> None:
    """Make the forbidden calls fail in this process, for good.

    Args:
        forbidden: dotted names as the exercise states them, e.g. ``torch.nn.functional.cross_entropy``.
        namespace: the student's globals, searched for aliases.
    """
    names = list(forbidden)
    if not names:
        return
    finals = {name.rpartition(".")[2] for name in names}
    elsewhere = [other for final in finals for other in _ELSEWHERE.get(final, ())]
    objects: dict[int, str] = {}
    for name in [*names, *elsewhere]:
        found = _resolve(name)
        if found is None:
            continue
        owner, attribute, value = found
        objects[id(value)] = name
        try:
            setattr(owner, attribute, _raiser(name))
        except (AttributeError, TypeError):
            continue
        _kept_alive.append(value)
    if any(name.startswith(("torch.autograd", "torch.Tensor.backward")) for name in names):
        engine = "torch.autograd.graph._engine_run_backward"
        torch.autograd._engine_run_backward = _raiser("torch.autograd")
        torch._tensor.torch.autograd.backward = _raiser("torch.autograd.backward")
        found = _resolve(engine)
        if found is not None:
            setattr(found[0], found[1], _raiser("torch.autograd"))
    for key, value in list(namespace.items()):
        if id(value) in objects:
            namespace[key] = _raiser(objects[id(value)])
    library = torch.library.Library("aten", "IMPL")
    for kernel, name in {k: n for n in names for k in _KERNELS.get(n.rpartition(".")[2], ())}.items():
        for key in ("CPU", "AutogradCPU"):
            library.impl(kernel, _raiser(name), key)
    _kept_alive.append(library)
    sys.meta_path.insert(0, _BlockedModules(elsewhere))
