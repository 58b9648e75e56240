"""Softmax regression: from a line that separates two classes to a classifier trained by gradient descent.

Lectures 1 and 2 in reading order: threshold rules and features, least squares and random search, scores turned
into probabilities, likelihood and the losses that come from it, gradient descent, the classifier, risk,
and the recipe in code.

Conventions of this module
    * Rows are samples, the last axis holds features or classes: inputs `(N, D)`, logits and probabilities `(N, C)`.
    * Logits are `x @ weights` with weights `(D, C)`: one column a class. (Lecture 5 writes theta x, one row a class.)
    * Labels are integers `0 .. C-1` of dtype int64, shape `(N,)`. Logarithms are natural.
    * The lecture writes most losses as sums; each docstring says SUM or MEAN.
    * Results have the dtype and device of the floating-point arguments; no argument is changed in place.

Sources: lecture 1 (introduction) and lecture 2 (introduction to machine learning), L01.03-L02.15; F. Rosenblatt,
The perceptron (1958); A. Novikoff, On convergence proofs for perceptrons (1962).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

# Five handwritten digits that a person would hesitate over: probabilities of the classes 0 to 9. Lecture 2, L02.04.
AMBIGUOUS_DIGITS: dict[str, tuple[float, ...]] = {
    "5?": (0.00, 0.00, 0.00, 0.00, 0.00, 0.90, 0.08, 0.00, 0.02, 0.00),
    "9?": (0.04, 0.00, 0.00, 0.00, 0.11, 0.00, 0.04, 0.00, 0.06, 0.75),
    "3?": (0.05, 0.00, 0.00, 0.40, 0.00, 0.30, 0.20, 0.00, 0.05, 0.00),
    "4?": (0.05, 0.00, 0.00, 0.00, 0.50, 0.00, 0.03, 0.00, 0.02, 0.40),
    "0?": (0.70, 0.00, 0.20, 0.00, 0.00, 0.00, 0.00, 0.00, 0.10, 0.00),
}


def below_line(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """Say which points lie in the half-plane theta_1 x_1 + ... + theta_D x_D + theta_{D+1} <= 0.

    Args:
        x: points, shape (N, D).
        theta: parameters, shape (D + 1,). The first D entries weigh the features; the last one weighs a constant
            feature 1, so that the line need not pass through the origin.

    Returns:
        Booleans of shape (N,), True for the points inside. A point exactly on the line counts as inside.

    >>> below_line(torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]]), torch.tensor([1.0, 0.0, -1.0]))
    tensor([ True, False,  True])

    Source: lecture 1, a parameterised program. L01.03.
    """
    return x @ theta[:-1] + theta[-1] <= 0


def perceptron(x: torch.Tensor, labels: torch.Tensor, epochs: int = 100) -> tuple[torch.Tensor, list[int]]:
    """Learn a separating line from its own mistakes, one point at a time.

    Whenever `below_line` answers wrongly, the point (with the constant 1 appended) is added to theta if it belongs
    outside, and subtracted if it belongs inside. On separable data the number of mistakes is at most (R / gamma)^2,
    where R is the largest length of a point with its constant and gamma the margin of the best theta of length 1.

    Args:
        x: points, shape (N, D).
        labels: booleans, shape (N,), True for the points that belong inside the half-plane.
        epochs: most passes over the data; it stops after the first pass without a mistake.

    Returns:
        theta, shape (D + 1,), in the convention of `below_line`, and a list: the number of mistakes in each pass made.

    >>> perceptron(torch.tensor([[-1.0], [1.0]]), torch.tensor([True, False]))
    (tensor([1., 1.]), [1, 0])

    Source: lecture 1, the perceptron (Rosenblatt, 1958) and Novikoff's bound (1962). L01.03.
    """
    augmented = torch.cat([x, x.new_ones(len(x), 1)], dim=1)  # (N, D + 1)
    theta = x.new_zeros(augmented.shape[1])
    mistakes = []
    for _ in range(epochs):
        mistakes.append(0)
        for point, inside in zip(augmented, labels.tolist(), strict=True):
            if bool(point @ theta <= 0) != inside:
                theta = theta - point if inside else theta + point
                mistakes[-1] += 1
        if mistakes[-1] == 0:
            break
    return theta, mistakes


def quadratic_features(x: torch.Tensor) -> torch.Tensor:
    """Turn points of the plane into features in which circles, ellipses and crossed lines are linear rules.

    Args:
        x: points, shape (N, 2).

    Returns:
        Features of shape (N, 5): x1, x2, x1^2, x2^2, x1*x2, in this order. There is no constant feature.

    >>> quadratic_features(torch.tensor([[2.0, 3.0]]))
    tensor([[2., 3., 4., 9., 6.]])

    Source: lecture 1, shallow learning with fixed features. L01.04.
    """
    x1, x2 = x.unbind(dim=1)  # (N,) each
    return torch.stack([x1, x2, x1**2, x2**2, x1 * x2], dim=1)


def polynomial_features(x: torch.Tensor, degree: int) -> torch.Tensor:
    """Give the powers x, x^2, ..., x^degree of each number.

    Args:
        x: numbers, shape (N,).
        degree: highest power, at least 1.

    Returns:
        Features of shape (N, degree); column k holds x^(k+1). As on the slide there is no constant feature x^0.

    >>> polynomial_features(torch.tensor([1.0, 2.0]), 3)
    tensor([[1., 1., 1.],
            [2., 4., 8.]])

    Source: lecture 2, polynomial regression. L02.02.
    """
    return torch.stack([x**power for power in range(1, degree + 1)], dim=1)


def least_squares(features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Find the theta that minimises the squared error ||features @ theta - targets||^2.

    The answer must stay accurate for nearly dependent columns, such as high powers of x. Inverting features^T features
    squares the condition number and does not; a solver for least squares works on the features themselves.

    Args:
        features: shape (N, D) with N >= D and linearly independent columns.
        targets: shape (N,).

    Returns:
        theta of shape (D,). The residual features @ theta - targets is orthogonal to every column of the features.

    >>> features = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> least_squares(features, torch.tensor([1.0, 3.0, 5.0])).round(decimals=4)
    tensor([1., 2.])

    Source: lecture 2, regression by least squares. L02.02.
    """
    return torch.linalg.lstsq(features, targets.unsqueeze(1)).solution.squeeze(1)


def random_search(
    loss: Callable[[torch.Tensor], torch.Tensor | float], sampler: Callable[[], torch.Tensor], trials: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Minimise a loss by trying parameters at random and keeping the best.

    Args:
        loss: maps parameters to one number, as a float or a tensor without axes.
        sampler: called without arguments, once for each trial; returns new parameters, a tensor of any shape.
        trials: number of parameters to try, at least 1.

    Returns:
        The parameters with the lowest loss (the first of them if several are equal), and the best loss so far after
        each trial: float64, shape (trials,), never increasing. Its last entry is the loss of the returned parameters.

    >>> candidates = iter(torch.tensor([3.0, 1.0, 2.0]))
    >>> random_search(lambda theta: theta**2, lambda: next(candidates), 3)
    (tensor(1.), tensor([9., 1., 1.], dtype=torch.float64))

    Source: lecture 2, ways to find theta. L02.03.
    """
    best_losses: list[float] = []
    for _ in range(trials):
        theta = sampler()
        value = float(loss(theta))
        if not best_losses or value < best_losses[-1]:
            best_theta = theta
            best_losses.append(value)
        else:
            best_losses.append(best_losses[-1])
    return best_theta, torch.tensor(best_losses, dtype=torch.float64)


def normalize(scores: torch.Tensor, kind: str) -> torch.Tensor:
    """Make scores positive with one of four functions, then divide by their sum.

    Only "exp" keeps the order of all scores: "square" and "abs" rank -3 above 1, and "relu" makes all negative scores
    equal.

    Args:
        scores: any real numbers, shape (N, C).
        kind: "square", "abs", "relu" or "exp".

    Returns:
        Probabilities of shape (N, C); each row sums to 1. A row without any positive entry (0 / 0) becomes uniform.

    Raises:
        ValueError: the kind is not one of the four.

    >>> normalize(torch.tensor([[-3.0, 1.0], [-2.0, -1.0]]), "relu")
    tensor([[0.0000, 1.0000],
            [0.5000, 0.5000]])

    Source: lecture 2, how to make numbers positive and sum to 1. L02.05.
    """
    if kind == "square":
        positive = scores**2
    elif kind == "abs":
        positive = scores.abs()
    elif kind == "relu":
        positive = scores.clamp(min=0)
    elif kind == "exp":
        positive = torch.exp(scores - scores.amax(dim=-1, keepdim=True))  # the shift cancels and prevents overflow
    else:
        raise ValueError(f"kind is {kind!r}, expected 'square', 'abs', 'relu' or 'exp'")
    total = positive.sum(dim=-1, keepdim=True)  # (N, 1)
    return torch.where(total > 0, positive / total, 1 / scores.shape[-1])


def softmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Turn logits into probabilities: exp(logit) divided by the sum of exp(logit) over the classes.

    Adding one number to all logits of a row changes nothing, so the row's maximum is subtracted first. Without that,
    exp overflows for logits of a few hundred and the result is NaN; with one maximum for the whole matrix, rows far
    below it become 0 / 0.

    Args:
        logits: real numbers of any shape, for example (N, C).
        dim: the axis of the classes, over which the result sums to 1.

    Returns:
        Probabilities of the shape and dtype of the logits, finite for logits of any size (1e4 and -1e4, say). Autograd
        can differentiate them.

    >>> softmax(torch.tensor([[0.0, 0.0], [1000.0, 0.0]]))
    tensor([[0.5000, 0.5000],
            [1.0000, 0.0000]])

    Source: lecture 2, softmax. L02.06.
    """
    # Softmax is the same for every shift, so the gradient through the maximum is zero and need not be computed.
    exponentials = torch.exp(logits - logits.detach().amax(dim=dim, keepdim=True))  # largest entry: exp(0) = 1
    return exponentials / exponentials.sum(dim=dim, keepdim=True)


def log_softmax(logits: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Give the logarithms of the softmax probabilities without computing the probabilities first.

    A probability below about 1e-45 (float32) rounds to 0, whose logarithm is -inf. The logarithm of the quotient,
    written as a difference, logit - log(sum of exp(logits)), has no such limit. The maximum is subtracted first, as in
    `softmax`.

    Args:
        logits: real numbers of any shape, for example (N, C).
        dim: the axis of the classes.

    Returns:
        Log-probabilities of the shape and dtype of the logits. They and their gradient are finite for logits of any
        size.

    >>> log_softmax(torch.tensor([[0.0, 1000.0]]))
    tensor([[-1000.,     0.]])

    Source: lecture 2, softmax and the log-likelihood. L02.06, L02.09.
    """
    shifted = logits - logits.detach().amax(dim=dim, keepdim=True)  # as in softmax, no gradient needs to pass here
    return shifted - shifted.exp().sum(dim=dim, keepdim=True).log()


def sigmoid(z: torch.Tensor) -> torch.Tensor:
    """Give 1 / (1 + exp(-z)), the probability of the first of two classes whose logits differ by z.

    It equals the first entry of the softmax of (z, 0).

    Args:
        z: real numbers of any shape.

    Returns:
        Probabilities of the shape and dtype of z. Neither the value nor its gradient overflows for large z of either
        sign, and the gradient is sigmoid(z) (1 - sigmoid(z)) everywhere, at z = 0 too.

    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])

    Source: lecture 2, two classes. L02.07.
    """
    # The textbook form with exp(-|z|) has the right value, but |z| has no slope at 0 and autograd would answer 0 there.
    return softmax(torch.stack([z, torch.zeros_like(z)], dim=-1))[..., 0]


def binary_weights(theta_1: torch.Tensor, theta_2: torch.Tensor) -> torch.Tensor:
    """Merge the weight vectors of two classes into the one that decides between them.

    Two vectors are one too many: adding the same vector to both changes no probability.

    Args:
        theta_1: weights of the first class, shape (D,).
        theta_2: weights of the second class, shape (D,).

    Returns:
        theta_plus of shape (D,), with P(first class | x) = sigmoid(x @ theta_plus) for every x.

    >>> binary_weights(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 1.0]))
    tensor([2., 0.])

    Source: lecture 2, two classes. L02.07.
    """
    return theta_1 - theta_2


def log_likelihood(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give log p(labels | inputs) of independent samples: the SUM of log p(y_i | x_i).

    The likelihood itself is a product of many numbers below 1 and underflows to 0; the sum of logarithms does not.

    Args:
        probabilities: p(y | x_i) in row i, shape (N, C).
        labels: the observed classes y_i, int64, shape (N,).

    Returns:
        The log-likelihood in nats, at most 0, a tensor without axes.

    >>> log_likelihood(torch.tensor([[0.5, 0.5], [0.25, 0.75]]), torch.tensor([0, 1]))
    tensor(-0.9808)

    Source: lecture 2, maximum likelihood. L02.08.
    """
    rows = torch.arange(len(labels), device=labels.device)
    return probabilities[rows, labels].log().sum()


def categorical_mle(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Estimate class probabilities by maximum likelihood: the share of each class among the labels.

    Args:
        labels: observed classes, int64, shape (N,) with N >= 1.
        classes: number of classes C.

    Returns:
        Probabilities of shape (C,), in torch's default dtype; a class that was never seen gets 0.

    Raises:
        ValueError: there are no labels, or one of them is outside 0 .. C-1.

    >>> categorical_mle(torch.tensor([0, 2, 2, 2]), classes=3)
    tensor([0.2500, 0.0000, 0.7500])

    Source: lecture 2, maximum likelihood. L02.08.
    """
    if len(labels) == 0:
        raise ValueError("found no labels, expected at least one: frequencies of nothing are not defined")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"found labels from {int(labels.min())} to {int(labels.max())}, expected 0 to {classes - 1}")
    return torch.bincount(labels, minlength=classes) / len(labels)


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Give the entropy -sum p log p of each row, in nats: how undecided a prediction is.

    Args:
        probabilities: rows that sum to 1, shape (N, C). An entry 0 contributes 0.

    Returns:
        Entropies of shape (N,), from 0 (certain) to log C (uniform).

    >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    tensor([0.6931, 0.0000])

    Source: lecture 2, predicting probabilities. L02.04.
    """
    return (-torch.xlogy(probabilities, probabilities)).sum(dim=-1)


def cross_entropy(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Give the cross-entropy H(p, q) = -sum p log q of each row, in nats.

    H(p, q) >= H(p), with equality for q = p. One sample y of p gives -log q(y), which is H(p, q) on average: that is
    why the negative log-likelihood is called cross-entropy.

    Args:
        p: the distribution that the samples come from, shape (N, C).
        q: the prediction, shape (N, C).

    Returns:
        Cross-entropies of shape (N,); inf where q gives 0 to something that happens. 0 log 0 counts as 0.

    >>> cross_entropy(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.6931])

    Source: lecture 2, the negative log-likelihood. L02.09.
    """
    return (-torch.xlogy(p, q)).sum(dim=-1)


def negative_log_likelihood(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Give the MEAN over the samples of -log p(y_i | x_i), where p is the softmax of the logits.

    This is the loss that trains a classifier, also called cross-entropy. The lecture writes the sum; the mean keeps the
    size of its gradient independent of the number of samples.

    Args:
        logits: shape (N, C).
        labels: int64, shape (N,), entries 0 .. C-1.

    Returns:
        The loss in nats, a tensor without axes; log C when all logits are equal. Value and gradient are finite for
        logits of any size (1e4 and -1e4, say), so no logarithm may be taken of a probability that has rounded to 0.

    >>> negative_log_likelihood(torch.tensor([[0.0, 0.0], [0.0, 1000.0]]), torch.tensor([0, 0]))
    tensor(500.3466)

    Source: lecture 2, the negative log-likelihood. L02.09.
    """
    rows = torch.arange(len(labels), device=labels.device)
    return -log_softmax(logits)[rows, labels].mean()


def zero_one_loss(predictions: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Count the wrong predictions: the SUM over the samples of 1 if wrong, 0 if right.

    Args:
        predictions: predicted classes (not probabilities), int64, shape (N,).
        labels: true classes, int64, shape (N,).

    Returns:
        The number of mistakes, an int64 tensor without axes.

    >>> zero_one_loss(torch.tensor([1, 2, 3]), torch.tensor([1, 0, 0]))
    tensor(2)

    Source: lecture 2, the zero-one loss. L02.10.
    """
    return (predictions != labels).sum()


def squared_error(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Give the SUM over the samples of 1/2 ||f(x_i) - y_i||^2.

    The lecture calls it mean squared error, but defines it as this sum. The 1/2 makes the gradient f(x_i) - y_i.

    Args:
        predictions: f(x_i) in row i, any shape, for example (N, D).
        targets: y_i, the same shape as the predictions.

    Returns:
        The loss, a tensor without axes.

    Raises:
        ValueError: the shapes differ. ((N, 1) minus (N,) would silently become (N, N).)

    >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]]))
    tensor(2.5000)

    Source: lecture 2, squared error. L02.11.
    """
    if predictions.shape != targets.shape:
        raise ValueError(
            f"predictions have shape {tuple(predictions.shape)}, expected that of the targets, {tuple(targets.shape)}"
        )
    return 0.5 * ((predictions - targets) ** 2).sum()


def gaussian_nll(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Give the SUM over the samples of -log N(y_i; mean f(x_i), covariance I).

    It exceeds `squared_error` by N D / 2 log(2 pi), which no prediction changes: least squares is maximum likelihood.

    Args:
        predictions: means f(x_i), shape (N, D).
        targets: y_i, shape (N, D).

    Returns:
        The negative log-likelihood in nats, a tensor without axes.

    Raises:
        ValueError: the shapes differ.

    >>> gaussian_nll(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor(1.8379)

    Source: lecture 2, squared error as a negative log-likelihood. L02.11.
    """
    return squared_error(predictions, targets) + targets.numel() / 2 * math.log(2 * math.pi)


def gradient_descent(
    gradient: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor, learning_rate: float, steps: int
) -> torch.Tensor:
    """Follow the negative gradient: theta <- theta - learning_rate * gradient(theta), `steps` times.

    All entries move at once, from the gradient at the old theta. The gradient is not rescaled.

    Args:
        gradient: maps theta to the gradient of the loss there, same shape as theta.
        start: first theta, a tensor of any shape; it is left as it was.
        learning_rate: positive step size.
        steps: number of updates, 0 or more.

    Returns:
        The whole trajectory, shape (steps + 1, *start.shape): entry 0 is the start, entry k is theta after k updates.

    >>> gradient_descent(lambda theta: 2 * theta, torch.tensor(1.0), learning_rate=0.25, steps=3)
    tensor([1.0000, 0.5000, 0.2500, 0.1250])

    Source: lecture 2, gradient descent. L02.12.
    """
    theta = start
    trajectory = [start]
    for _ in range(steps):
        theta = theta - learning_rate * gradient(theta)  # a new tensor: `-=` would rewrite the trajectory
        trajectory.append(theta)
    return torch.stack(trajectory)


def softmax_regression_gradient(x: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Give the gradient of the MEAN negative log-likelihood of softmax regression, in closed form.

    With logits x @ weights, P the matrix of softmax probabilities and Y the labels as one-hot rows, it is
    x^T (P - Y) / N: inputs weighted by how wrong the probabilities are.

    Args:
        x: inputs, shape (N, D).
        labels: int64, shape (N,), entries 0 .. C-1.
        weights: one column a class, shape (D, C).

    Returns:
        d negative_log_likelihood(x @ weights, labels) / d weights, shape (D, C), computed without autograd.

    >>> softmax_regression_gradient(torch.tensor([[2.0]]), torch.tensor([0]), torch.zeros(1, 2))
    tensor([[-1.,  1.]])

    Source: lecture 2, softmax regression. L02.13.
    """
    probabilities = softmax(x @ weights)  # (N, C)
    one_hot = torch.nn.functional.one_hot(labels, weights.shape[1])  # (N, C)
    return x.T @ (probabilities - one_hot) / len(x)


def minibatches(size: int, batch_size: int, generator: torch.Generator | None = None) -> Iterator[torch.Tensor]:
    """Split the indices 0 .. size-1, in random order, into batches for one epoch.

    Args:
        size: number of samples, at least 1.
        batch_size: number of indices in a batch, at least 1.
        generator: source of randomness on the CPU; None means torch's global one. The same seed gives the same batches,
            and a second epoch with the same generator gives another order.

    Returns:
        An iterator over int64 tensors of shape (batch_size,). Every index occurs exactly once. If batch_size does not
        divide size, the last batch is shorter; it is not dropped.

    >>> [len(batch) for batch in minibatches(10, 4, torch.Generator().manual_seed(0))]
    [4, 4, 2]

    Source: lecture 2, gradient descent on a large data set. L02.13.
    """
    return iter(torch.randperm(size, generator=generator).split(batch_size))


class SoftmaxRegression:
    """A linear classifier that predicts class probabilities: softmax(x @ weights).

    `weights` has one column a class, shape (features, classes). With a bias it has one row more, (features + 1,
    classes): the last row weighs a constant feature 1 that the model appends to x itself. All weights start at zero.
    That is a good start here: the loss is convex, and at equal logits the classes already have different gradients.

    >>> model = SoftmaxRegression(features=1, classes=2)
    >>> x, labels = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> losses = model.fit(x, labels, learning_rate=1.0, epochs=20, batch_size=4)
    >>> model.predict(x), len(losses), losses[-1] < losses[0]
    (tensor([0, 0, 1, 1]), 20, True)

    Source: lecture 2, softmax regression. L02.13.
    """

    def __init__(self, features: int, classes: int, bias: bool = True) -> None:  ### GIVEN
        self.bias = bias
        self.weights = torch.zeros(features + int(bias), classes)

    def inputs(self, x: torch.Tensor) -> torch.Tensor:
        """Give what the weights multiply: x, shape (N, D); with a bias, x and a last column of ones, (N, D + 1)."""
        return torch.cat([x, x.new_ones(len(x), 1)], dim=1) if self.bias else x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits of inputs (N, D), shape (N, C)."""
        return self.inputs(x) @ self.weights.to(x)

    def predict_proba(self, x: torch.Tensor) -> torch.Tensor:
        """Give the class probabilities of inputs (N, D), shape (N, C); each row sums to 1. L02.04."""
        return softmax(self.logits(x))

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """Give the most probable class of inputs (N, D), int64, shape (N,)."""
        return self.logits(x).argmax(dim=-1)

    def fit(
        self,
        x: torch.Tensor,
        labels: torch.Tensor,
        learning_rate: float = 0.5,
        epochs: int = 50,
        batch_size: int = 32,
        generator: torch.Generator | None = None,
        on_epoch: Callable[[int, float], Any] | None = None,
    ) -> list[float]:
        """Train by minibatch gradient descent on the mean negative log-likelihood, from the present weights on.

        Args:
            x: inputs, shape (N, D). The weights take over their dtype and device.
            labels: int64, shape (N,).
            learning_rate: step size. The default suits 8x8 digits with pixels from 0 to 1; longer inputs need a smaller
                one (0.1 for 28x28 images).
            epochs: passes over the data; each draws new `minibatches(N, batch_size, generator)`.
            batch_size: samples in a batch; the gradient is the mean over the batch.
            generator: source of randomness on the CPU; None means torch's global one.
            on_epoch: if given, called as on_epoch(epoch, loss) after each epoch, epochs counted from 0.

        Returns:
            The loss of each epoch, `epochs` floats: the mean over all N samples of the loss that each had in its batch,
            before the update which that batch caused.
        """
        inputs = self.inputs(x)
        self.weights = self.weights.to(x)
        losses = []
        for epoch in range(epochs):
            total = x.new_zeros(())
            for batch in minibatches(len(x), batch_size, generator):
                batch_inputs, batch_labels = inputs[batch], labels[batch]
                # The last batch may be shorter: weighted by size, every sample counts the same.
                total += len(batch) * negative_log_likelihood(batch_inputs @ self.weights, batch_labels)
                gradient = softmax_regression_gradient(batch_inputs, batch_labels, self.weights)
                self.weights = self.weights - learning_rate * gradient  # a new tensor: on_epoch may keep the old one
            losses.append(float(total) / len(x))
            if on_epoch is not None:
                on_epoch(epoch, losses[-1])
        return losses


def empirical_risk(
    model: Callable[[torch.Tensor], torch.Tensor],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """Give the average loss on a data set: 1/n sum of L(model(x_i), y_i).

    Args:
        model: maps inputs (N, D) to predictions, one row a sample.
        loss: maps predictions and labels to one loss a sample, shape (N,); numbers or booleans (True counts as 1).
        x: inputs, shape (N, D), N >= 1.
        labels: shape (N,), or whatever the loss compares with.

    Returns:
        The MEAN over the N samples, a floating-point tensor without axes.

    >>> threshold = lambda x: (x[:, 0] > 0).long()
    >>> wrong = lambda predictions, labels: predictions != labels
    >>> empirical_risk(threshold, wrong, torch.tensor([[-1.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 1, 1, 0]))
    tensor(0.2500)

    Source: lecture 2, empirical risk. L02.14.
    """
    losses = loss(model(x), labels)  # (N,)
    return losses.sum() / len(losses)


def true_risk(
    model: Callable[[torch.Tensor], torch.Tensor],
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    sampler: Callable[[int], tuple[torch.Tensor, torch.Tensor]],
    samples: int,
) -> tuple[float, float]:
    """Estimate the expected loss on new data by Monte Carlo, where the source of the data is known.

    Args:
        model: maps inputs (N, D) to predictions, one row a sample.
        loss: maps predictions and labels to one loss a sample, shape (N,); numbers or booleans.
        sampler: sampler(n) draws n new inputs and their labels from p(x) p(y | x).
        samples: how many to draw, at least 2.

    Returns:
        The MEAN loss and its standard error (the standard deviation of the losses divided by sqrt(samples)).

    >>> fair_coin = lambda n: (torch.zeros(n, 1), torch.arange(n) % 2)
    >>> risk, error = true_risk(lambda x: x[:, 0].long(), lambda guess, labels: guess != labels, fair_coin, 10_000)
    >>> round(risk, 3), round(error, 3)
    (0.5, 0.005)

    Source: lecture 2, risk. L02.14.
    """
    x, labels = sampler(samples)
    losses = loss(model(x), labels).double()  # (samples,)
    return losses.mean().item(), losses.std().item() / math.sqrt(samples)


def train(
    parameters: Sequence[torch.Tensor],
    loss: Callable[[Sequence[torch.Tensor], Any], torch.Tensor],
    optimizer: Any,
    batches: Iterable[Any],
) -> list[float]:
    """Run the recipe: model class and loss (as one function), an optimizer, and data; any of them can be exchanged.

    For each batch, in this order: clear the gradients, compute the loss, differentiate it by autograd, take one step.

    Args:
        parameters: the tensors to be learned (`requires_grad`), as the loss expects them.
        loss: loss(parameters, batch) gives the loss of one batch, a tensor without axes.
        optimizer: an object with `zero_grad()` and `step()` that already holds the parameters, for example
            `torch.optim.SGD(parameters, lr=0.1)`. Its state must survive from step to step.
        batches: the data, one update for each item; whatever the loss understands.

    Returns:
        One float for each batch: its loss BEFORE the update that it causes.

    >>> theta = torch.tensor(1.0, requires_grad=True)
    >>> distance = lambda parameters, batch: (parameters[0] - batch) ** 2
    >>> train([theta], distance, torch.optim.SGD([theta], lr=0.5), batches=[0.0, 2.0])
    [1.0, 4.0]
    >>> theta.item()
    2.0

    Source: lecture 2, the recipe in four steps. L02.15.
    """
    losses = []
    for batch in batches:
        optimizer.zero_grad()
        value = loss(parameters, batch)
        value.backward()
        optimizer.step()
        losses.append(value.detach())  # the number is read at the end, so that a GPU need not wait for it at each step
    return [value.item() for value in losses]
