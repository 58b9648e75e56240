"""The judge: hidden pytest suites in a trusted process, with handles on student objects that live in the sandbox.

What suites import from here is loaded when they ask for it: the driver, which only needs seeds and problems, does
without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.judge.checkers import (
        assert_at_least,
        assert_at_most,
        assert_close,
        assert_dtype,
        assert_equal,
        assert_finite,
        assert_shape,
        assert_true,
    )
    from autograder.judge.handles import Handle, Student
    from autograder.judge.suite import exercise

__all__ = [
    "Handle",
    "Student",
    "assert_at_least",
    "assert_at_most",
    "assert_close",
    "assert_dtype",
    "assert_equal",
    "assert_finite",
    "assert_shape",
    "assert_true",
    "exercise",
]
_ELSEWHERE = {"Handle": "handles", "Student": "handles", "exercise": "suite"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE.get(name, 'checkers')}"), name)
