"""Pictures of the loss of a real net: a plane through parameter space, spanned by two random directions.

A random direction has as many entries as the net has parameters, and its length means nothing by itself: a net of
rectified linear units computes the same function when one layer is doubled and the next halved. Hence each filter (the
incoming weights of one unit, a row of a weight matrix) of the direction is given the length of the net's own filter.

Parameters are lists of tensors, and a loss is a function of such a list: nothing is written into a model, so nothing
has to be restored.
"""

from collections.abc import Callable, Sequence

import torch

Parameters = Sequence[torch.Tensor]


class SkipNet:
    """A deep and narrow net for pictures of its loss, with or without skip connections.

    Layer 0 maps D inputs to the width. Each of the `depth` hidden blocks computes relu(W h + b), to which a net with
    skip connections adds h itself. The last layer gives the logits. Without skip connections the very same parameters
    make a plain net.

    Args:
        features: D, number of inputs.
        classes: C, number of logits.
        width: units of a hidden layer.
        depth: number of hidden blocks.
        skips: whether each block adds its input to its output.

    Source: lecture 4, loss landscapes with and without skip connections. L04.03.
    """

    def __init__(self, features: int, classes: int, width: int = 16, depth: int = 12, skips: bool = True) -> None:
        self.sizes = [(width, features), *[(width, width)] * depth, (classes, width)]
        self.skips = skips

    def initialize(self, generator: torch.Generator | None = None) -> list[torch.Tensor]:
        """Draw weights (out, in) from a normal distribution of variance 2 / in, and biases 0, in turn; CPU, float32.

        The blocks of a net with skip connections start smaller, by 1 / sqrt(depth): each adds to what is there.
        """
        parameters = []
        depth = len(self.sizes) - 2
        for number, (rows, columns) in enumerate(self.sizes):
            scale = (2 / columns) ** 0.5
            if self.skips and 0 < number <= depth:
                scale /= depth**0.5
            parameters.append(scale * torch.randn(rows, columns, generator=generator))
            parameters.append(torch.zeros(rows))
        return parameters

    def logits(self, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
        """Give the logits of inputs (N, D), shape (N, C), as a function of the parameters."""
        weights, biases = parameters[0::2], parameters[1::2]
        hidden = torch.relu(x @ weights[0].T + biases[0])  # (N, width)
        for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
            block = torch.relu(hidden @ weight.T + bias)
            hidden = hidden + block if self.skips else block
        return hidden @ weights[-1].T + biases[-1]


def random_direction(parameters: Parameters, generator: torch.Generator | None = None) -> list[torch.Tensor]:
    """Draw a direction with standard normal entries, one tensor for each parameter.

    Args:
        parameters: tensors of any shapes.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        Tensors of the same shapes, dtypes and devices.

    Source: lecture 4, pictures of the loss. L04.03.
    """
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype).to(p.device) for p in parameters]


def filter_normalized_direction(
    parameters: Sequence[torch.Tensor], direction: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Give each filter of a direction the length of the corresponding filter of the parameters.

    Args:
        parameters: of a trained net: weights (out, in, ...) whose rows, along the first axis, are the filters; and
            biases, (out,).
        direction: tensors of the same shapes, without rows of length 0.

    Returns:
        New tensors of the same shapes. In each weight (two axes or more), row i points where row i of the direction
        does and has the Euclidean length of row i of the parameters, taken over all its entries. Tensors with one axis
        or none (biases) are replaced by zeros: the picture does not move them.

    >>> weight, bias = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([7.0, 7.0])
    >>> filter_normalized_direction([weight, bias], [torch.tensor([[2.0, 0.0], [0.0, -9.0]]), torch.ones(2)])
    [tensor([[ 5.,  0.],
            [ 0., -1.]]), tensor([0., 0.])]

    Source: lecture 4, pictures of the loss (Li et al., 2018). L04.03.
    """
    normalized = []
    for parameter, change in zip(parameters, direction, strict=True):
        if parameter.ndim <= 1:
            normalized.append(torch.zeros_like(change))
            continue
        rows = tuple(range(1, parameter.ndim))
        own = parameter.detach().pow(2).sum(dim=rows, keepdim=True).sqrt()
        normalized.append(change * (own / change.pow(2).sum(dim=rows, keepdim=True).sqrt()))
    return normalized


def loss_surface(
    loss: Callable[[list[torch.Tensor]], torch.Tensor],
    parameters: Parameters,
    first: Parameters,
    second: Parameters,
    grid: torch.Tensor,
) -> torch.Tensor:
    """Evaluate a loss on the plane parameters + a * first + b * second.

    Args:
        loss: maps a list of parameters to a tensor without axes.
        parameters: the centre of the picture. They are left as they were.
        first: a direction, one tensor for each parameter.
        second: another one.
        grid: the values of a, and of b, shape (G,).

    Returns:
        Losses of shape (G, G): entry [i, j] belongs to a = grid[j] (to the right) and b = grid[i] (upwards).

    >>> loss = lambda parameters: parameters[0].square().sum()
    >>> centre, right, up = [torch.zeros(2)], [torch.tensor([1.0, 0.0])], [torch.tensor([0.0, 2.0])]
    >>> loss_surface(loss, centre, right, up, torch.tensor([0.0, 1.0]))
    tensor([[0., 1.],
            [4., 5.]])

    Source: lecture 4, pictures of the loss. L04.03.
    """
    with torch.no_grad():
        rows = []
        for b in grid.tolist():
            row = [
                loss([p + a * d1 + b * d2 for p, d1, d2 in zip(parameters, first, second, strict=True)])
                for a in grid.tolist()
            ]
            rows.append(torch.stack(row))
    return torch.stack(rows)


def roughness(surface: torch.Tensor, grid: torch.Tensor) -> float:
    """Say how strongly a surface bends, relative to how high it is: mean |Laplacian| divided by the mean height.

    Args:
        surface: losses on an even grid, shape (G, G), G >= 3, not all 0.
        grid: the positions along both axes, shape (G,), evenly spaced.

    Returns:
        A float of at least 0; 0 for a plane. Five-point differences at the inner points.

    >>> grid = torch.linspace(-1, 1, 5)
    >>> roughness(1 + grid[:, None] + 0 * grid, grid)
    0.0

    Source: lecture 4, pictures of the loss. L04.03.
    """
    step = float(grid[1] - grid[0])
    inner = surface[1:-1, 1:-1]
    neighbours = surface[2:, 1:-1] + surface[:-2, 1:-1] + surface[1:-1, 2:] + surface[1:-1, :-2]
    laplacian = (neighbours - 4 * inner) / step**2
    return float(laplacian.abs().mean() / surface.abs().mean())
