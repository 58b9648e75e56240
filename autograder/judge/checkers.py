"""Assertions of the hidden suites. They accept tensors, arrays and numbers; their messages are read by students.

A message says what was found (shape, dtype, the first entry that differs) and, where it can be recognised, what kind
of mistake it is. It never says the expected value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from autograder.judge import measurements, pictures
from autograder.judge.handles import Handle
from autograder.judge.problems import Mistake

_LOW_PRECISION = {"float16", "bfloat16"}


def _name(value: Any) -> str:
    if isinstance(value, Handle):
        return f"an object of type {value.type_name}"
    if value is None:
        return "None (is a `return` missing?)"
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)} and dtype {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, bool | int | float | str):
        text = repr(value)
        return f"{type(value).__name__} {text if len(text) < 60 else text[:57] + '...'}"
    return f"a {type(value).__name__}"


def dtype_name(value: Any) -> str:
    """Name of the dtype of a tensor, array or number, e.g. ``float32``."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype).removeprefix("torch.")
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.name
    return {bool: "bool", int: "int64", float: "float64"}.get(type(value), "float64")


def as_array(value: Any, what: str = "the result") -> np.ndarray[Any, Any]:
    """A tensor, array, number or nested list of these as a float64 (or boolean, integer, complex) array.

    Raises:
        Mistake: the value is none of these.
    """
    if isinstance(value, torch.Tensor):
        array = (value.double() if value.dtype == torch.bfloat16 else value).numpy(force=True)
        return array.astype(np.float64, copy=False) if array.dtype.kind == "f" else array
    if isinstance(value, list | tuple) and value and all(type(item) in (bool, int, float) for item in value):
        array = np.asarray(value)
    elif isinstance(value, list | tuple):
        try:
            array = np.array([as_array(item, what) for item in value])
        except ValueError:
            raise Mistake(
                f"{_capital(what)} is a list whose entries differ in shape; one tensor was expected."
            ) from None
    elif isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
        array = np.asarray(value)
    else:
        raise Mistake(f"{_capital(what)} is {_name(value)}; a tensor was expected.")
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _tolerances(actual: Any, expected: Any, rtol: float | None, atol: float | None) -> tuple[float, float]:
    """What the test works in decides, and the student's own precision down to float32, so that float32 work on float64
    inputs is not called wrong. Rounding to 16 bits must not make a wrong answer right: only the test can ask for that.
    """
    wanted, found = dtype_name(expected), dtype_name(actual)
    if wanted in _LOW_PRECISION:
        loose = (2e-2, 2e-2)
    elif "float32" in (wanted, found) or found in _LOW_PRECISION:
        loose = (1e-4, 1e-5)
    else:
        loose = (1e-6, 1e-8)
    return (loose[0] if rtol is None else rtol, loose[1] if atol is None else atol)


def assert_close(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    hint: str = "",
    what: str = "the result",
) -> None:
    """Values agree: ``|actual - expected| <= atol + rtol * |expected|`` in every entry, shapes equal, no NaN.

    Args:
        actual: from the student; expected: from an oracle.
        rtol, atol: default 1e-6 and 1e-8, or 1e-4 and 1e-5 if either side is float32.
        hint: a sentence that is added to the message.
        what: names the value in the message.

    Raises:
        Mistake: with a message for the student.
    """
    rtol, atol = _tolerances(actual, expected, rtol, atol)
    found, wanted = as_array(actual, what), as_array(expected)
    tail = f" {hint}" if hint else ""
    if found.shape != wanted.shape:
        if found.shape == wanted.T.shape and found.ndim == 2 and is_close(found.T, wanted, rtol, atol):
            text = f"{_capital(what)} is transposed: its shape is {found.shape}, expected {wanted.shape}.{tail}"
            raise Mistake(text, pictures.of_shapes(found.shape, wanted.shape))
        if found.size == wanted.size == 1:
            found = found.reshape(wanted.shape)
        else:
            raise _wrong_shape(found.shape, wanted.shape, what, tail)
    if (found.dtype.kind == "b" and wanted.dtype.kind != "b") or found.dtype.kind not in "biufc":
        raise Mistake(f"{_capital(what)} is {_name(actual)}; numbers were expected.{tail}")
    if is_close(found, wanted, rtol, atol):
        return
    if found.dtype.kind == "b":
        found, wanted = found.astype(np.int64), wanted.astype(np.int64)
    with np.errstate(all="ignore"):
        bad = ~np.isclose(found, wanted, rtol=rtol, atol=atol)
    text = f"{_capital(what)} {_difference(found, wanted, rtol, atol)}{tail}"
    raise Mistake(text, pictures.of_entries(found, wanted, bad, atol))


def _wrong_shape(found: tuple[int, ...], expected: tuple[int, ...], what: str, tail: str) -> Mistake:
    text = f"{_capital(what)} has shape {found}, expected {expected}.{tail}"
    return Mistake(text, pictures.of_shapes(found, expected))


def _capital(text: str) -> str:
    """The first word as a sentence begins; a name of the student's, `x_train` or W, stays as it is written."""
    return (
        text[:1].upper() + text[1:]
        if text.startswith(("the ", "entry ", "parameter ", "a ", "an ", "your ", "its ", "each "))
        else text
    )


def _telling_factor(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], smallest: float) -> str:
    """A factor that names a mistake (2, N, 1/N): a small whole number or its inverse, the same in every entry.

    Any other number would tell the expected value to whoever divides; and one entry alone has to meet it closely, since
    somewhere near a whole number every ratio is.
    """
    large = np.abs(wanted) > smallest
    if not large.any():
        return ""
    ratios = found[large] / wanted[large]
    factor = float(ratios.flat[0])
    if not np.isfinite(ratios).all() or not np.allclose(ratios, factor, rtol=1e-3):
        return ""
    tolerance = 1e-3 if ratios.size > 1 else 1e-4
    for whole in range(2, 257 if ratios.size > 1 else 65):
        for value, name in ((float(whole), str(whole)), (1 / whole, f"1/{whole}")):
            if abs(abs(factor) - value) < tolerance * value:
                everywhere = " everywhere" if wanted.size > 1 else ""
                return f" It is off by a factor of {'-' if factor < 0 else ''}{name}{everywhere}."
    return ""


def is_close(found: Any, wanted: Any, rtol: float, atol: float) -> bool:
    """`numpy.allclose` of two arrays of `as_array`."""
    with np.errstate(all="ignore"):
        if found.dtype == wanted.dtype == np.float64:  # most are: `np.allclose`, without what it does for all others
            allowed = np.abs(wanted) * rtol + atol
            near = (np.abs(found - wanted) <= allowed) & (allowed < math.inf)
            if np.count_nonzero(near) == near.size:
                return True
        return bool(np.allclose(found, wanted, rtol=rtol, atol=atol, equal_nan=False))


def _difference(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], rtol: float, atol: float) -> str:
    """Describe how two arrays of one shape differ, in words that help and give nothing away."""
    with np.errstate(all="ignore"):
        bad = ~np.isclose(found, wanted, rtol=rtol, atol=atol)
        nan, inf = np.isnan(found) & ~np.isnan(wanted), np.isinf(found) & ~np.isinf(wanted)
        if nan.any():
            return f"is nan in {_count(nan)}."
        if inf.any():
            return f"is infinite in {_count(inf)}."
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"entry {list(first)}" if first else "its value"
        text = f"is wrong in {_count(bad)}; {where} was {found[first]:.6g}."
        if (
            found.ndim == 2
            and found.shape[0] == found.shape[1]
            and found.shape[0] > 1
            and is_close(found.T, wanted, rtol, atol)
        ):
            return text + " It looks transposed."
        if is_close(-found, wanted, rtol, atol):
            return text + " The sign is the wrong way round."
        if factor := _telling_factor(found, wanted, max(atol, 1e-12)):
            return text + factor
        if found.size > 1:
            shifts = found - wanted
            if np.allclose(shifts, shifts.flat[0], rtol=1e-3, atol=atol):
                return text + " It is off by one constant everywhere."
        return text


def _count(mask: np.ndarray[Any, Any]) -> str:
    n = int(mask.sum())
    return "its only entry" if mask.size == 1 else f"{n} of {mask.size} entries"


def assert_equal(actual: Any, expected: Any, hint: str = "", what: str = "the result") -> None:
    """Values are the same: numbers, strings, sequences of them, or arrays entry by entry (1 and 1.0 are the same)."""
    tail = f" {hint}" if hint else ""
    if isinstance(actual, Handle):
        raise Mistake(f"{_capital(what)} is {_name(actual)}, which is not right.{tail}")
    if isinstance(expected, torch.Tensor | np.ndarray):
        found, wanted = as_array(actual, what), as_array(expected)
        if found.shape != wanted.shape:
            raise _wrong_shape(found.shape, wanted.shape, what, tail)
        if not np.array_equal(found, wanted):
            bad = np.asarray(found != wanted)
            picture = pictures.of_entries(found, wanted, bad, 0.0) if found.dtype.kind in "fiu" else None
            raise Mistake(f"{_capital(what)} is wrong in {_count(bad)}.{tail}", picture)
        return
    if isinstance(actual, torch.Tensor | np.ndarray | np.generic):
        if np.size(as_array(actual, what)) != 1 and isinstance(expected, bool | int | float | str):
            raise Mistake(f"{_capital(what)} is {_name(actual)}; one value was expected.{tail}")
        actual = actual.item() if np.size(as_array(actual, what)) == 1 else as_array(actual, what).tolist()
    if isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        if len(actual) != len(expected):
            raise Mistake(f"{_capital(what)} has {len(actual)} entries, expected {len(expected)}.{tail}")
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_equal(one, other, hint, f"entry {index} of {what}")
        return
    if actual != expected:
        raise Mistake(f"{_capital(what)} is {_name(actual)}, which is not right.{tail}")


def assert_shape(actual: Any, shape: tuple[int, ...], hint: str = "", what: str = "the result") -> None:
    """A tensor or array has this shape."""
    found = as_array(actual, what).shape
    if found != tuple(shape):
        raise _wrong_shape(found, tuple(shape), what, f" {hint}" if hint else "")


def assert_dtype(actual: Any, dtype: torch.dtype, hint: str = "", what: str = "the result") -> None:
    """A tensor or array has the dtype that corresponds to this torch dtype."""
    wanted = str(dtype).removeprefix("torch.")
    if not isinstance(actual, torch.Tensor | np.ndarray | np.generic):
        raise Mistake(f"{_capital(what)} is {_name(actual)}; a tensor was expected.")
    if dtype_name(actual) != wanted:
        raise Mistake(
            f"{_capital(what)} has dtype {dtype_name(actual)}, expected {wanted}." + (f" {hint}" if hint else "")
        )


def assert_finite(actual: Any, hint: str = "", what: str = "the result") -> None:
    """No entry is nan or infinite."""
    found = as_array(actual, what)
    tail = f" {hint}" if hint else ""
    if np.isnan(found).any():
        raise Mistake(f"{_capital(what)} is nan in {_count(np.isnan(found))}.{tail}")
    if np.isinf(found).any():
        raise Mistake(f"{_capital(what)} is infinite in {_count(np.isinf(found))}.{tail}")


def assert_true(condition: Any, message: str) -> None:
    """The condition holds; the message is what the student reads otherwise."""
    if not bool(condition):
        raise Mistake(message)


def assert_at_least(actual: Any, bound: float, what: str = "the result", hint: str = "") -> None:
    """A number reaches a bound that students are told."""
    value = float(as_array(actual, what).reshape(-1)[0]) if np.size(as_array(actual, what)) == 1 else math.nan
    measurements.note(what, value, at_least=bound)
    if not value >= bound:
        raise Mistake(
            f"{_capital(what)} is {value:.4g}; at least {bound:.4g} was expected." + (f" {hint}" if hint else "")
        )


def assert_at_most(actual: Any, bound: float, what: str = "the result", hint: str = "") -> None:
    """A number stays below a bound that students are told."""
    value = float(as_array(actual, what).reshape(-1)[0]) if np.size(as_array(actual, what)) == 1 else math.nan
    measurements.note(what, value, at_most=bound)
    if not value <= bound:
        raise Mistake(
            f"{_capital(what)} is {value:.4g}; at most {bound:.4g} was expected." + (f" {hint}" if hint else "")
        )
