"""Losses and networks made of variables, and two ways to train them: with our own engine, and for a playground."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch

from course_lib.softmax_regression import minibatches


def logistic_regression_loss(x: Any, labels: torch.Tensor, theta: Any, bias: Any = 0.0) -> Any:
    """Build the graph of multi-class logistic regression: the MEAN of -x^T theta_y + log sum_y' exp(x^T theta_y').

    Only operations of `Variable` are used (`@`, `.T`, `+`, `-`, indexing, `logsumexp`, `mean`), so that the result can
    be differentiated with respect to each variable that went in.

    Args:
        x: inputs, a variable or a tensor of shape (N, D): data, or the features that other layers have computed.
        labels: int64 tensor of shape (N,), entries 0 .. C-1.
        theta: a variable of shape (C, D): one ROW a class, as in lecture 5.
        bias: a variable of shape (C,), or the number 0 for none.

    Returns:
        The loss as a variable without axes, finite for logits x theta^T + bias of any size, say 1e4.

    >>> from course_lib.backprop import Variable
    >>> theta = Variable(torch.zeros(2, 3))
    >>> loss = logistic_regression_loss(torch.ones(1, 3), torch.tensor([0]), theta)
    >>> loss.backward()
    >>> loss.value, theta.gradient
    (tensor(0.6931), tensor([[-0.5000, -0.5000, -0.5000],
            [ 0.5000,  0.5000,  0.5000]]))

    Source: lecture 5, a computation graph for logistic regression. L05.02.
    """
    logits = x @ theta.T + bias  # (N, C)
    rows = torch.arange(len(labels), device=labels.device)
    return (logits.logsumexp(1) - logits[rows, labels]).mean()


def initial_parameters(
    sizes: Sequence[int], generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> list[torch.Tensor]:
    """Draw random weights for a network of linear layers with ReLU between them.

    Weights are normal with standard deviation sqrt(2 / D), D the number of inputs of the layer (the next notebook says
    why); biases are 0.

    Args:
        sizes: numbers of units, from the inputs to the logits; [64, 32, 10] has one hidden layer.
        generator: source of randomness on the CPU; None means torch's global one.
        dtype: of the result.

    Returns:
        W_1, b_1, W_2, b_2, ...: W_k of shape (sizes[k], sizes[k-1]), b_k of shape (sizes[k],).

    >>> [tuple(parameter.shape) for parameter in initial_parameters([64, 32, 10])]
    [(32, 64), (32,), (10, 32), (10,)]

    Source: lecture 5, a neural network with learned features. L05.04, L05.15.
    """
    parameters = []
    for inputs, units in pairwise(sizes):
        weight = torch.randn(units, inputs, generator=generator, dtype=dtype)
        parameters += [weight * math.sqrt(2 / inputs), torch.zeros(units, dtype=dtype)]
    return parameters


def mlp_features(parameters: Sequence[Any], x: Any) -> Any:
    """Compute the activations of the last hidden layer, with ReLU after each: the features that the network learns.

    Args:
        parameters: W_1, b_1, ..., W_L, b_L; variables, or tensors.
        x: inputs (N, D), a variable or a tensor.

    Returns:
        Shape (N, units of layer L - 1); x itself for a network without hidden layers. The last pair is not used.

    Source: lecture 5, learned features. L05.04.
    """
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = (x @ weight.T + bias).relu()
    return x


def mlp_logits(parameters: Sequence[Any], x: Any) -> Any:
    """Compute the logits (N, C) of a network; arguments as in `mlp_features`. L05.04."""
    return mlp_features(parameters, x) @ parameters[-2].T + parameters[-1]


def train_mlp(
    parameters: Sequence[Any],
    x: torch.Tensor,
    labels: torch.Tensor,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    generator: torch.Generator | None = None,
    on_epoch: Callable[[int, float], Any] | None = None,
) -> list[float]:
    """Train a network by minibatch gradient descent, with gradients from our own engine.

    For each batch of each epoch: clear the gradients (set them to None), build the graph of the loss of this batch,
    call its `backward()`, and replace the `value` of each parameter by value - learning_rate * gradient. The network is
    `mlp_features` with `logistic_regression_loss` on top, for the last weights and biases.

    Args:
        parameters: variables W_1, b_1, ..., W_L, b_L, trained from their present values on. Each step gives them new
            tensors as `value`; the tensors that were there are not changed in place.
        x: inputs, shape (N, D).
        labels: int64, shape (N,).
        learning_rate: step size.
        epochs: passes over the data; each draws new `minibatches(N, batch_size, generator)`.
        batch_size: samples in a batch.
        generator: source of randomness on the CPU; None means torch's global one.
        on_epoch: if given, called as on_epoch(epoch, loss) after each epoch, epochs counted from 0.

    Returns:
        The loss of each epoch, a list of floats: the mean over all N samples of the loss that each had in its batch,
        before the update which that batch caused.

    Source: lecture 5, a network trained with backpropagation and SGD. L05.15.
    """
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for batch in minibatches(len(x), batch_size, generator):
            for parameter in parameters:
                parameter.gradient = None
            features = mlp_features(parameters, x[batch])
            loss = logistic_regression_loss(features, labels[batch], parameters[-2], parameters[-1])
            loss.backward()
            for parameter in parameters:
                parameter.value = parameter.value - learning_rate * parameter.gradient
            total += len(batch) * loss.value.item()
        losses.append(total / len(x))
        if on_epoch is not None:
            on_epoch(epoch, losses[-1])
    return losses


def points_2d(kind: str, size: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw points of two classes in the plane.

    Args:
        kind: "ring" (a disc inside a ring), "crossed" (opposite quarters), "spiral" (two arms) or "clouds" (two clouds,
            which a line separates).
        size: number of points.
        seed: the same seed gives the same points.

    Returns:
        Points (size, 2) between about -1 and 1, and labels 0 or 1, int64, (size,).

    Raises:
        ValueError: there is no such kind.

    Source: lecture 5, the playground. L05.06.
    """
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % 2
    sign = 1.0 - 2.0 * labels
    u, noise = torch.rand(size, generator=draw), torch.randn(size, 2, generator=draw)
    turn = 2 * math.pi * torch.rand(size, generator=draw)
    if kind == "ring":
        radius = torch.where(labels == 0, 0.45 * u, 0.65 + 0.35 * u)
        return radius[:, None] * torch.stack([turn.cos(), turn.sin()], 1), labels
    if kind == "crossed":
        first, second = 0.08 + 0.9 * u, 0.08 + 0.9 * torch.rand(size, generator=draw)
        flip = torch.where(torch.rand(size, generator=draw) < 0.5, 1.0, -1.0)
        return flip[:, None] * torch.stack([first, sign * second], 1), labels
    if kind == "spiral":
        angle = 3.0 * math.pi * u.sqrt()
        arm = (0.08 + 0.9 * u.sqrt())[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
        return sign[:, None] * arm + 0.02 * noise, labels
    if kind == "clouds":
        return sign[:, None] * torch.tensor([0.45, 0.35]) + 0.16 * noise, labels
    raise ValueError(f"kind is {kind!r}, expected 'ring', 'crossed', 'spiral' or 'clouds'")


_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
}


class Trained(NamedTuple):
    """A network of the playground: how it answers, how it got there, and its parameters.

    Attributes:
        predict: maps points (M, 2) to the probability of class 1, (M,).
        losses: the mean NLL before each step.
        weights: of each layer, one row a unit.
        biases: of each layer.
    """

    predict: Callable[[torch.Tensor], torch.Tensor]
    losses: list[float]
    weights: list[torch.Tensor]
    biases: list[torch.Tensor]


def train_2d(
    x: torch.Tensor,
    labels: torch.Tensor,
    hidden: Sequence[int],
    activation: str = "tanh",
    learning_rate: float = 0.03,
    steps: int = 300,
    weight_decay: float = 0.0,
    bias: bool = True,
    seed: int = 0,
) -> Trained:
    """Train a small network on points of the plane, the whole set at each step, for the playground.

    It uses PyTorch's autograd and Adam (lecture 4), so that the playground runs before the engine has been built.

    Args:
        x: points, shape (N, 2).
        labels: 0 or 1, int64, shape (N,).
        hidden: units of each hidden layer; an empty list is logistic regression.
        activation: "identity", "sigmoid", "tanh" or "ReLU".
        learning_rate: of Adam.
        steps: number of updates.
        weight_decay: weight of 1/2 the squared weights in the loss; biases are not decayed.
        bias: whether the layers have biases.
        seed: of the initial weights.

    Returns:
        The trained network, with the loss before each step.

    Source: lecture 5, the playground: "Demo time!". L05.06, L05.11.
    """
    bend = _ACTIVATIONS[activation]
    draw = torch.Generator().manual_seed(seed)
    sizes = [2, *hidden, 1]
    weights = [
        (torch.randn(units, inputs, generator=draw) / math.sqrt(inputs)).requires_grad_()
        for inputs, units in pairwise(sizes)
    ]
    biases = [torch.zeros(units, requires_grad=bias) for units in sizes[1:]]

    def logit(points: torch.Tensor) -> torch.Tensor:
        a = points
        for weight, constant in zip(weights[:-1], biases[:-1], strict=True):
            a = bend(a @ weight.T + constant)
        return (a @ weights[-1].T + biases[-1]).squeeze(1)

    optimizer = torch.optim.Adam([*weights, *(biases if bias else [])], lr=learning_rate)
    losses = []
    with torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            fit = torch.nn.functional.binary_cross_entropy_with_logits(logit(x), labels.to(x.dtype))
            losses.append(fit.item())
            penalty = torch.stack([(weight**2).sum() for weight in weights]).sum()
            (fit + 0.5 * weight_decay * penalty).backward()
            optimizer.step()

    def predict(points: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return torch.sigmoid(logit(points))

    return Trained(predict, losses, [w.detach() for w in weights], [b.detach() for b in biases])
