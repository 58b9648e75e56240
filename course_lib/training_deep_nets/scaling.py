"""Inputs on one scale: what different scales cost, and how to remove them."""

from collections.abc import Callable, Sequence

import torch


def condition_number(x: torch.Tensor) -> torch.Tensor:
    """Give how elongated the squared error of a linear model is: the condition number of x^T x
    / N.

    The contours of the loss are ellipses; the ratio of their axes is the square root of this
    number.

    Args:
        x: inputs, shape (N, D) with N >= D, floating point.

    Returns:
        Largest eigenvalue of x^T x / N divided by the smallest, at least 1, a tensor without
        axes; infinity for columns that depend on each other exactly.

    >>> condition_number(torch.tensor([[10.0, 0.0], [0.0, 1.0]]))
    tensor(100.)

    Source: lecture 7, an easy and a hard case. L07.01.
    """
    singular = torch.linalg.svdvals(x)  # in falling order; squared they are the eigenvalues of x^T x
    return (singular[0] / singular[-1]) ** 2


def steps_to_tolerance(x: torch.Tensor, targets: torch.Tensor, tolerance: float = 1e-3, most: int = 100_000) -> int:
    """Count the steps that gradient descent needs on the squared error of a linear model, at
    its best safe rate.

    The loss is 1/(2N) ||x theta - targets||^2. Descent starts at theta = 0 with the learning
    rate 1 / (largest eigenvalue of x^T x / N), so that every data set gets a rate that suits
    it.

    Args:
        x: inputs, shape (N, D), linearly independent columns.
        targets: shape (N,).
        tolerance: it stops when the loss above its minimum is at most this share of what it
            was at the start.
        most: steps after which it gives up.

    Returns:
        The number of steps, 0 to `most`.

    >>> steps_to_tolerance(torch.eye(2), torch.ones(2))
    1

    Source: lecture 7, an easy and a hard case. L07.01.
    """
    matrix = x.T @ x / len(x)  # (D, D)
    pull = x.T @ targets / len(x)  # (D,)
    best = torch.linalg.lstsq(x, targets.unsqueeze(1)).solution.squeeze(1)
    rate = 1 / torch.linalg.eigvalsh(matrix)[-1]
    theta = torch.zeros_like(best)

    def gap() -> float:
        away = theta - best
        return float(away @ matrix @ away)  # twice the loss above its minimum

    start = gap()
    for step in range(most):
        if gap() <= tolerance * start:
            return step
        theta = theta - rate * (matrix @ theta - pull)
    return most


class Standardizer:
    """Bring each column to mean 0 and standard deviation 1, with numbers from the training
    data only.

    The standard deviation is that of the slide, the root of the MEAN squared distance (divided
    by N, not N - 1). A column that does not vary becomes 0: its standard deviation is taken as
    1. The attributes `mean` and `std`, shape (D,), are set by `fit`.

    >>> weather = torch.tensor([[40.0, 0.3], [60.0, 0.5]])  # temperature, humidity
    >>> standardizer = Standardizer().fit(weather)
    >>> standardizer.transform(weather).round(decimals=4)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    >>> standardizer.inverse_transform(torch.zeros(1, 2)).round(decimals=4)
    tensor([[50.0000,  0.4000]])

    Source: lecture 7, standardization of inputs and outputs. L07.02.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def fit(self, x: torch.Tensor) -> "Standardizer":
        """Measure mean and standard deviation of each column of x, shape (N, D); give the standardizer itself."""
        self.mean = x.mean(dim=0)
        std = ((x - self.mean) ** 2).mean(dim=0).sqrt()
        constant = (x == x[0]).all(dim=0)  # exactly: the rounding of a mean can leave a tiny deviation
        self.std = torch.where(constant | (std == 0), torch.ones_like(std), std)
        return self

    def transform(self, x: torch.Tensor) -> torch.Tensor:
        """Standardize x, shape (N, D), by the numbers of `fit`, whatever the statistics of x are."""
        return (x - self.mean) / self.std

    def inverse_transform(self, x: torch.Tensor) -> torch.Tensor:
        """Undo `transform`: from standardized values, shape (N, D), back to the original unit."""
        return x * self.std + self.mean


def standardize_activations(
    layers: Sequence[Callable[[torch.Tensor], torch.Tensor]], data: torch.Tensor, number: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Standardize the activations behind some layer, with statistics of the WHOLE data set.

    That takes a pass through all the data, and has to be repeated after every update, because
    the layers before have changed: too expensive to train with, hence batch normalization.

    Args:
        layers: functions that map activations to activations, in order.
        data: all inputs, shape (N, D).
        number: how many of the layers to go through, 1 to len(layers).

    Returns:
        The standardized activations (N, M), their mean (M,) and standard deviation (M,)
        before, divided by N. A unit that gives the same for all inputs becomes 0.

    >>> double = lambda a: 2 * a
    >>> standardize_activations([double], torch.tensor([[1.0], [3.0]]), 1)
    (tensor([[-1.],
            [ 1.]]), tensor([4.]), tensor([2.]))

    Source: lecture 7, standardizing activations. L07.03.
    """
    a = data
    for layer in layers[:number]:
        a = layer(a)
    standardizer = Standardizer().fit(a)
    spread = (a - standardizer.mean).square().mean(dim=0).sqrt()
    return standardizer.transform(a), standardizer.mean, spread
