"""Comparisons for the visible checks: a failure names the likely mistake first, then what was found.

Everything is compared as NumPy arrays in double precision, so that tensors of any device and float type, arrays and
plain numbers can stand on either side.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["expect_close", "expect_shape", "expect_true"]

# Four units in the last place: what rounding alone does to a short computation in half precision.
_HALF_PRECISION_RTOL = {"float16": 4 * 2.0**-10, "bfloat16": 4 * 2.0**-7}


def expect_close(actual: Any, expected: Any, message: str, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Assert that two values have one shape and agree entry by entry.

    Two entries agree when `|actual - expected| <= atol + rtol * |expected|`; equal infinities agree, and so do two
    NaNs. For half precision `rtol` is widened to four units in the last place.

    Args:
        actual: what the student's code returned, any shape `(...)`.
        expected: what it should be, of the same shape.
        message: the likely mistake, as the first line of the failure.
        rtol: relative tolerance, at least 0.
        atol: absolute tolerance, at least 0.

    Raises:
        AssertionError: the values differ in kind, in shape or in an entry.

    >>> expect_close([0.5, 0.5], [0.5, 0.5], "Divide by the sum of the row.")
    >>> expect_close([0.5, 1.0], [0.5, 0.5], "Divide by the sum of the row.")
    Traceback (most recent call last):
        ...
    AssertionError: Divide by the sum of the row.
    1 of 2 entries differs. At [1]: found 1, expected 0.5.
    Both have shape (2,); found float64, expected float64.
    """
    __tracebackhide__ = True
    found, wanted = _numbers(actual, message), _numbers(expected, message)
    if found.shape != wanted.shape:
        raise AssertionError(
            f"{message}\nThe shape is {found.shape}, expected {wanted.shape}."
            f"\nFound {_kind(actual)}, expected {_kind(expected)}."
        )
    rtol = max(rtol, *(_HALF_PRECISION_RTOL.get(_dtype(value), 0.0) for value in (actual, expected)))
    wrong = ~np.isclose(found, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return
    count = int(wrong.sum())
    where = tuple(int(i) for i in np.argwhere(wrong)[0]) if found.ndim else ()
    first, right = _two_numbers(found[where], wanted[where])
    if found.ndim:
        verb = "differs" if count == 1 else "differ"
        difference = f"{count} of {found.size} entries {verb}. At {list(where)}: found {first}, expected {right}."
        kinds = f"\nBoth have shape {found.shape}; found {_dtype(actual)}, expected {_dtype(expected)}."
    else:
        difference, kinds = f"Found {first}, expected {right}.", ""
    raise AssertionError(f"{message}\n{difference}{kinds}")


def expect_shape(tensor: Any, shape: Sequence[int], message: str = "") -> None:
    """Assert that a value has a shape.

    Args:
        tensor: a tensor, an array, or nested lists of numbers.
        shape: the expected lengths of its axes; `()` for a single number.
        message: the likely mistake, as the first line of the failure; may be left out.

    Raises:
        AssertionError: the shape is another one, or the value has none.

    >>> expect_shape(np.zeros((2, 3)), (2, 3))
    >>> expect_shape(np.zeros((3, 2)), (2, 3), "One row in, one row out.")
    Traceback (most recent call last):
        ...
    AssertionError: One row in, one row out.
    The shape is (3, 2), expected (2, 3).
    """
    __tracebackhide__ = True
    found = tuple(tensor.shape) if hasattr(tensor, "shape") else _numbers(tensor, message).shape
    if found != tuple(shape):
        raise AssertionError(f"{message}\nThe shape is {found}, expected {tuple(shape)}.".lstrip())


def expect_true(condition: Any, message: str) -> None:
    """Assert that a condition holds, in every entry when it is a tensor or an array.

    Args:
        condition: a truth value, or a tensor or array of them, any shape `(...)`.
        message: the likely mistake.

    Raises:
        AssertionError: the condition, or one of its entries, is false.

    >>> expect_true(np.array([0.2, 0.8]) > 0, "Probabilities are positive.")
    """
    __tracebackhide__ = True
    if not (condition.all() if hasattr(condition, "all") else condition):
        raise AssertionError(message)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # a value can only be a tensor where torch has been imported
    return torch is not None and isinstance(value, torch.Tensor)


def _numbers(value: Any, message: str) -> np.ndarray:
    """The value as an array of float64, complex128 or integers."""
    __tracebackhide__ = True
    if value is None:
        raise AssertionError(f"{message}\nFound None: a function without a `return` gives None back.")
    if isinstance(value, list | tuple) and any(_is_tensor(item) for item in value):
        value = [_numbers(item, message) for item in value]
    if _is_tensor(value):
        value = value.detach().cpu()
        value = (value.double() if value.is_floating_point() else value).resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # rows of unequal length
        raise AssertionError(f"{message}\nFound {_kind(value)} that is not a regular array of numbers.") from None
    if array.dtype.kind not in "biufc":
        raise AssertionError(f"{message}\nFound {_kind(value)}, expected numbers.")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _dtype(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return str(np.asarray(value).dtype if dtype is None else dtype).removeprefix("torch.")


def _kind(value: Any) -> str:
    """What a value is, in words: `a Tensor of float32`, `a list`."""
    name = type(value).__name__
    article = "an" if name[0] in "aeiouAEIOU" else "a"
    return f"{article} {name} of {_dtype(value)}" if hasattr(value, "dtype") else f"{article} {name}"


def _two_numbers(found: Any, expected: Any) -> tuple[str, str]:
    """Both numbers, with as many digits as it takes to see that they differ."""
    for digits in (6, 10, 17):
        pair = _number(found, digits), _number(expected, digits)
        if pair[0] != pair[1]:
            break
    return pair


def _number(value: Any, digits: int) -> str:
    if value.dtype.kind in "bc":
        return str(value.item())
    if value.dtype.kind == "f" and math.isfinite(value):
        return f"{value:.{digits}g}"
    return str(value.item())
