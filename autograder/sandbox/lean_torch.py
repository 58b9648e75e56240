"""torch without its compiler, until somebody asks for it.

The first step of an optimizer imports `torch._dynamo`, only to tell the compiler, which hardly any course work uses, to
keep out; the first gradient of a vector imports `sympy`, only to compare two shapes. Together that takes two seconds,
and every sandbox would carry 70 MB of objects through its forks.
"""

from __future__ import annotations

import importlib
import operator
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch


def _as_it_is(function: Callable[..., Any] | None = None, *unused: Any, **options: Any) -> Any:
    """Without a compiler there is nothing to disable: the function, or a decorator that returns it."""
    return function if function is not None else lambda decorated: decorated


def _nothing(*unused: Any, **options: Any) -> None:
    """Without a compiler there is no graph to break."""


PACKAGE = "torch._dynamo"
# What torch calls in these modules when it works with plain tensors, and what that comes to.
_CALLED: dict[str, dict[str, Callable[..., Any]]] = {
    PACKAGE: {"disable": _as_it_is, "graph_break": _nothing},
    "torch.fx.experimental.symbolic_shapes": {"expect_true": bool, "sym_eq": operator.eq},
}


class _Absent(ModuleType):
    """Stands for a module, and makes way for it when anything else is asked of it."""

    def __getattr__(self, name: str) -> Any:
        inner = self.__name__ == PACKAGE and name == "__path__"  # somebody imports a module of this package
        if name.startswith("__") and not inner:  # asked by whoever looks through all modules
            raise AttributeError(name)
        load_compiler()
        return getattr(sys.modules[self.__name__], name)


def leave_compiler_out() -> None:
    """From now on, whoever imports the compiler without using it does not load it."""
    for name, functions in _CALLED.items():
        if name not in sys.modules:
            absent = _Absent(name)
            vars(absent).update(functions)
            sys.modules[name] = absent
    torch._dynamo = sys.modules[PACKAGE]


def load_compiler() -> None:
    """Load what has been left out."""
    for name in _CALLED:
        if isinstance(sys.modules.get(name), _Absent):
            del sys.modules[name]
    if isinstance(vars(torch).get("_dynamo"), _Absent):
        del torch._dynamo
    for name in _CALLED:
        importlib.import_module(name)
