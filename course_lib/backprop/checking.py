"""Finite differences: slow, approximate, and independent of every derivation. What a gradient is checked against."""

from collections.abc import Callable

import torch


def jacobian(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    """Estimate the Jacobian dy/dx of y = function(x) by central differences, in the layout of lecture 5.

    Row i is (function(x + step e_i) - function(x - step e_i)) / (2 step), with e_i the i-th unit vector.

    Args:
        function: maps a tensor of shape (n,) to one of shape (m,).
        x: where to differentiate, float64, shape (n,); it is left as it was.
        step: positive.

    Returns:
        Shape (n, m), float64: entry ij is dy_j/dx_i. Most books and `torch.autograd.functional.jacobian` have the
        transpose.

    >>> swap_and_double = lambda x: torch.stack([2 * x[1], 2 * x[0], x[0] + x[1]])
    >>> jacobian(swap_and_double, torch.tensor([3.0, 4.0], dtype=torch.float64)).round(decimals=6)
    tensor([[0., 2., 1.],
            [2., 0., 1.]], dtype=torch.float64)

    Source: lecture 5, the chain rule for vectors. L05.07.
    """
    rows = []
    for i in range(len(x)):
        nudge = torch.zeros_like(x)
        nudge[i] = step
        rows.append((function(x + nudge) - function(x - nudge)) / (2 * step))  # (m,)
    return torch.stack(rows)


def gradient_check(
    function: Callable[[torch.Tensor], torch.Tensor | float],
    x: torch.Tensor,
    gradient: torch.Tensor,
    step: float = 1e-5,
) -> torch.Tensor:
    """Compare a gradient that somebody derived with central differences, coordinate by coordinate.

    With g the given and n the numerical derivative, (f(x + step) - f(x - step)) / (2 step) in one coordinate, the error
    is |g - n| / max(1, |g|, |n|): relative for large derivatives, absolute for small ones, where a quotient of two
    roundings would say nothing.

    Args:
        function: maps a tensor of the shape of x to one number. It is called with float64 tensors only: in float32 the
            difference of two nearly equal values has no correct digits left.
        x: where to check, any shape and float dtype; it is the same after the call, whatever happens inside.
        gradient: what is to be checked, same shape as x.
        step: positive. 1e-5 balances the two errors of a central difference in float64, about step^2 and 1e-16 / step.

    Returns:
        The error of each coordinate, float64, shape of x. Correct gradients of smooth functions stay below about 1e-8.

    Raises:
        ValueError: the gradient has another shape than x.

    >>> x = torch.tensor([1.0, 2.0])
    >>> cubes = lambda x: (x**3).sum()
    >>> gradient_check(cubes, x, 3 * x**2).max() < 1e-8
    tensor(True)
    >>> gradient_check(cubes, x, 6 * x**2)
    tensor([0.5000, 0.5000], dtype=torch.float64)

    Source: the standard tool for every recipe of lecture 5; finite differences are in lecture 20. L05.16.
    """
    if gradient.shape != x.shape:
        raise ValueError(f"the gradient has shape {tuple(gradient.shape)}, expected that of x, {tuple(x.shape)}")
    point = x.detach().double().clone()  # the caller's tensor is never touched, not even for a moment
    numeric = torch.empty_like(point)
    for index in range(point.numel()):
        values = []
        for sign in (1, -1):
            moved = point.clone().reshape(-1)
            moved[index] += sign * step
            values.append(float(function(moved.reshape(point.shape))))
        numeric.view(-1)[index] = (values[0] - values[1]) / (2 * step)
    given = gradient.detach().double()
    scale = torch.maximum(given.abs(), numeric.abs()).clamp(min=1)
    return (given - numeric).abs() / scale
