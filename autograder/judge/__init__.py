"""The judge: hidden pytest suites in a trusted process, with handles on student objects that live in the sandbox."""

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
