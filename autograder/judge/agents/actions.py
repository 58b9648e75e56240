"""Reading actions that come from student code: what Gymnasium's own environments take, and clear words for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from autograder.judge.checkers import _name
from autograder.judge.problems import GraderFault, Mistake


def read_actions(value: Any, space: spaces.Space[Any], count: int, who: str = "your code") -> np.ndarray[Any, Any]:
    """A batch of actions as an array that the environment takes.

    Whole numbers of any type (booleans too) go for a discrete action; floating-point numbers of any precision for a
    continuous one, where what lies outside the bounds is moved to the bound: a Gaussian policy knows none.

    Args:
        value: a tensor, an array or a list, from the student.
        space: of a single action.
        count: how many actions there must be; 0 for one action without the axis of a batch.
        who: the subject of the messages.

    Raises:
        Mistake: they cannot be executed; the message is for the student.
    """
    shape = ((count,) if count else ()) + tuple(space.shape or ())
    found = _plain(value)
    if found is None:
        raise Mistake(f"{_sentence(who)} gave {_name(value)} as actions; an array of shape {shape} is expected.")
    if found.shape != shape:
        if found.size == 1 and np.prod(shape) == 1:
            found = found.reshape(shape)
        else:
            raise Mistake(
                f"{_sentence(who)} gave actions of shape {found.shape}; shape {shape} is expected"
                + (", one action for each environment." if count else ".")
            )
    if isinstance(space, spaces.Box):
        return _continuous(found, space, who)
    if isinstance(space, spaces.Discrete):
        low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
    elif isinstance(space, spaces.MultiBinary):
        low, high = np.asarray(0), np.asarray(1)
    elif isinstance(space, spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
    else:
        raise GraderFault(f"actions from a {type(space).__name__} are not supported")
    if found.dtype.kind not in "iub":
        raise Mistake(
            f"{_sentence(who)} gave actions of dtype {found.dtype}; discrete actions are whole numbers, dtype int64."
        )
    if found.dtype.kind == "u" and (found > 2**62).any():
        raise Mistake(f"{_sentence(who)} gave the action {int(found.max())}, which does not exist.")
    whole = found.astype(np.int64)
    wrong = (whole < low) | (whole > high)
    if wrong.any():
        limits = f"from {low} to {high}" if np.ndim(low) == 0 else "within the action space"
        raise Mistake(f"{_sentence(who)} gave the action {int(whole[wrong].flat[0])}; actions go {limits}.")
    return whole.astype(space.dtype) if isinstance(space, spaces.MultiBinary) else whole


def _continuous(found: np.ndarray[Any, Any], space: spaces.Box, who: str) -> np.ndarray[Any, Any]:
    if found.dtype.kind not in "fiub":
        raise Mistake(f"{_sentence(who)} gave actions of dtype {found.dtype}; real numbers are expected.")
    numbers = found.astype(np.float64)
    if not np.isfinite(numbers).all():
        bad = "nan" if np.isnan(numbers).any() else "infinite"
        raise Mistake(
            f"{_sentence(who)} gave an action that is {bad}: look for a standard deviation or a loss that is."
        )
    return np.clip(numbers, space.low, space.high).astype(space.dtype)


def _plain(value: Any) -> np.ndarray[Any, Any] | None:
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(value, list | tuple):
        parts = [_plain(item) for item in value]
        if any(part is None for part in parts) or len({part.shape for part in parts if part is not None}) > 1:
            return None
        return np.array(parts) if parts else None
    if isinstance(value, np.ndarray | np.generic | bool | int | float):
        array = np.asarray(value)
        return array if array.dtype.kind in "biufc" else None
    return None


def _sentence(who: str) -> str:
    return who[:1].upper() + who[1:]
