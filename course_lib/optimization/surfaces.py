"""Losses of two parameters that show one difficulty each: a narrow valley, a saddle, a plateau, a bent valley.

Every function takes points of shape `(..., 2)` and gives losses of shape `(...)`, so that one call draws a surface and
autograd follows a single point.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Surface:
    """A loss of two parameters with the window in which it is looked at."""

    name: str
    loss: Callable[[torch.Tensor], torch.Tensor]  # (..., 2) -> (...)
    start: tuple[float, float]  # where a walk begins
    minimum: tuple[float, float]
    window: tuple[float, float, float, float]  # left, right, bottom, top
    learning_rate: float  # at which plain gradient descent is stable

    def gradient(self, point: torch.Tensor) -> torch.Tensor:
        """Give the gradient at a point of shape (2,), shape (2,). Source: lecture 4. L04.01."""
        with torch.enable_grad():
            at = point.detach().clone().requires_grad_()
            return torch.autograd.grad(self.loss(at), at)[0]


def quadratic_bowl(condition: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Give the loss (x^2 + condition * y^2) / 2, a valley along x with walls `condition` times as steep.

    Args:
        condition: ratio of the two curvatures, at least 1: the condition number of the Hessian.

    Returns:
        A function of points (..., 2) that gives losses (...).

    >>> quadratic_bowl(4.0)(torch.tensor([[1.0, 1.0], [2.0, 0.0]]))
    tensor([2.5000, 2.0000])

    Source: lecture 4, gradient descent on level sets. L04.01.
    """
    return lambda point: (point[..., 0] ** 2 + condition * point[..., 1] ** 2) / 2


def _saddle(point: torch.Tensor) -> torch.Tensor:
    """Flat and a saddle at 0; the two minima lie at (0, 1) and (0, -1), of height 0."""
    x, y = point[..., 0], point[..., 1]
    return x**2 / 2 + (y**2 - 1) ** 2 / 4


def _plateau(point: torch.Tensor) -> torch.Tensor:
    """A round pit in a plain: a few units away from it the gradient is nearly 0."""
    return 1 - torch.exp(-(point**2).sum(-1) / 2)


def _bent_valley(point: torch.Tensor) -> torch.Tensor:
    """Rosenbrock's function, a tenth of its usual steepness: the way to the minimum is a curve."""
    x, y = point[..., 0], point[..., 1]
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


SURFACES: dict[str, Surface] = {
    surface.name: surface
    for surface in (
        Surface("valley", quadratic_bowl(30.0), (-4.0, 1.0), (0.0, 0.0), (-5, 5, -2.5, 2.5), 0.03),
        Surface("saddle", _saddle, (-1.6, 0.001), (0.0, 1.0), (-2, 2, -1.6, 1.6), 0.2),
        Surface("plateau", _plateau, (-2.2, 2.2), (0.0, 0.0), (-4, 4, -4, 4), 0.5),
        Surface("bent valley", _bent_valley, (-1.2, 1.3), (1.0, 1.0), (-2, 2, -1, 3), 0.006),
    )
}
