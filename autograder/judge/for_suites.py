"""What several hidden suites share: drawn inputs, tolerances with their reasons, assertions made of assertions.

How a suite keeps partial credit fair: one test of an exercise compares everything; the others look at one property
each and overlook, where they can, mistakes that another test is about (a sign, a factor), so that one slip costs its
own share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from autograder.judge.checkers import as_array, assert_close, assert_equal, assert_true, is_close
from autograder.judge.handles import Student
from autograder.judge.problems import Mistake

# Sums of at most a few hundred float32 numbers of size 1 to 10, added in any order, agree to about 1e-6 relative; the
# mistakes that tests look for change a result by more than 1e-2.
SINGLE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
# The same in float64 (1e-15 relative) with room for a detour through another formula. A computation that drops to
# float32 on the way is wrong by about 1e-7 and fails.
DOUBLE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-11}


def normal(
    rng: np.random.Generator, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """Normally distributed numbers with mean 0, of the given shape."""
    drawn = torch.from_numpy(np.asarray(rng.normal(size=shape) * scale))
    return drawn if dtype == torch.float64 else drawn.to(dtype)


def as_tensor(value: Any, what: str = "the result") -> torch.Tensor:
    """A tensor of what the student's code gave (floating-point numbers become float64).

    Raises:
        Mistake: it is no tensor, array or number; the message is for the student.
    """
    return torch.as_tensor(as_array(value, what))


def assert_one_of(actual: Any, *candidates: Any, what: str = "the result") -> None:
    """Close to one of several values: for tests that leave, say, the sign or the divisor to another test."""
    found = as_array(actual, what)
    for candidate in candidates:
        wanted = as_array(candidate)
        if found.shape == wanted.shape and is_close(found, wanted, **SINGLE):
            return
    assert_close(actual, candidates[0], **SINGLE, what=what)


def assert_parts(value: Any, count: int, names: str) -> Sequence[Any]:
    """A tuple or list of so many results; `names` says which."""
    assert_true(isinstance(value, tuple | list) and len(value) == count, f"{count} results are expected: {names}.")
    return value


def assert_pure(
    student: Student,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    expected: torch.Tensor,
    tolerance: dict[str, Any] = SINGLE,
) -> None:
    """Call twice with the same arguments: the first call must leave them as before, the second must be right too."""
    after, result = assert_parts(student.builtin("twice", function, *arguments), 2, "the arguments, and the result")
    for position, (found, original) in enumerate(zip(after, arguments, strict=True), start=1):
        if isinstance(original, torch.Tensor):
            assert_equal(
                found,
                original,
                what=f"argument {position} after the call",
                hint="Operations such as `a -= b`, `a[...] = b` or `a.exp_()` change the caller's tensor. "
                "Write `a = a - b`, which makes a new one.",
            )
    if tolerance is DOUBLE and isinstance(result, torch.Tensor) and result.dtype == torch.float32:
        raise Mistake("The result has dtype float32 for float64 inputs: half of their digits were lost on the way.")
    what = "the result of a second call with the same arguments"
    if expected.dtype.is_floating_point:
        assert_close(result, expected, **tolerance, what=what)
    else:
        assert_equal(result, expected, what=what)


def number_in(student: Student, name: str) -> float:
    """The number that a quiz cell gives a name, or a message if it is not one."""
    value = getattr(student, name)
    assert_true(value is not None, f"`{name}` is still None: not answered yet.")
    value = as_array(value, f"`{name}`")
    assert_true(value.size == 1 and value.dtype.kind in "iuf", f"`{name}` should be one number.")
    return float(value.reshape(-1)[0])


def word_in(student: Student, name: str) -> str:
    """The word that a quiz cell gives a name, without regard to case and blanks."""
    value = getattr(student, name)
    assert_true(value is not None, f"`{name}` is still None: not answered yet.")
    assert_true(isinstance(value, str), f"`{name}` should be a word in quotes.")
    return str(value.strip().lower())


def assert_word(student: Student, name: str, right: str, *others: str) -> None:
    """A quiz value is the right one of a few words."""
    found = word_in(student, name)
    choices = sorted((right, *others))
    listed = ", ".join(f'"{word}"' for word in choices)
    assert_true(found in choices, f"`{name}` should be one of {listed}.")
    assert_true(found == right, f"{name} is not right.")


def assert_number(student: Student, name: str, right: float, tolerance: float = 1e-6) -> None:
    """A quiz value is the right number, up to a relative tolerance."""
    assert_true(abs(number_in(student, name) - right) <= tolerance * max(1.0, abs(right)), f"{name} is not right.")
