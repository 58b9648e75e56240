"""Gradients of a few samples instead of all, and learning rates that change on the way.

A schedule is a function from the number of an update, counted from 0, to its learning rate.
"""

import math
from collections.abc import Callable, Sequence

import torch


def gradient_estimates(
    gradient: Callable[[torch.Tensor], torch.Tensor],
    size: int,
    batch_size: int,
    draws: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Give the gradients of many random minibatches, to see how far they spread round the gradient of all the data.

    Each estimate is unbiased: its expectation is the full gradient. Its variance is that of one sample, divided by the
    batch size, times (size - batch_size) / (size - 1), because no sample occurs twice in a batch.

    Args:
        gradient: gradient(batch) is the MEAN gradient over the samples with these indices, int64, shape (batch_size,).
        size: number of samples.
        batch_size: samples in a batch, 1 to size.
        draws: number of batches.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        One estimate a draw, shape (draws, *shape of the gradient).

    >>> values = torch.tensor([1.0, 2.0, 3.0])
    >>> gradient_estimates(lambda batch: values[batch].mean(), size=3, batch_size=3, draws=2)
    tensor([2., 2.])

    Source: lecture 4, stochastic gradient descent. L04.14.
    """
    return torch.stack([gradient(torch.randperm(size, generator=generator)[:batch_size]) for _ in range(draws)])


def sgd(
    gradient: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    start: torch.Tensor,
    size: int,
    batch_size: int,
    learning_rate: float | Callable[[int], float],
    epochs: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Stochastic gradient descent: shuffle once an epoch, then one step for each minibatch.

    Args:
        gradient: gradient(theta, batch) is the MEAN gradient at theta over the samples of a batch of indices.
        start: theta before the first update, any shape. It is left as it was.
        size: number of samples in the data.
        batch_size: samples in a batch. The last batch of an epoch is shorter if it does not divide size; it is used.
        learning_rate: a number, or a schedule: a function that maps the number of the update, counted from 0 through
            all epochs, to the learning rate of that update.
        epochs: passes over the data. Each puts the indices 0 .. size-1 in a random order of its own and cuts it into
            consecutive batches.
        generator: source of randomness on the CPU; None means torch's global one.

    Returns:
        The whole trajectory, shape (updates + 1, *start.shape): entry 0 is the start.

    >>> data = torch.tensor([1.0, 3.0])
    >>> pull = lambda theta, batch: theta - data[batch].mean()
    >>> sgd(pull, torch.tensor(0.0), size=2, batch_size=2, learning_rate=0.5, epochs=2)
    tensor([0.0000, 1.0000, 1.5000])

    Source: lecture 4, stochastic gradient descent in practice. L04.15.
    """
    theta = start
    trajectory = [start]
    for _ in range(epochs):
        for batch in torch.randperm(size, generator=generator).split(batch_size):
            rate = learning_rate(len(trajectory) - 1) if callable(learning_rate) else learning_rate
            theta = theta - rate * gradient(theta, batch)
            trajectory.append(theta)
    return torch.stack(trajectory)


def step_decay(learning_rate: float, factor: float, every: int) -> Callable[[int], float]:
    """Make a schedule that multiplies the learning rate by a factor after every so many updates.

    Args:
        learning_rate: of the first `every` updates.
        factor: what each stage multiplies it by, 0 < factor <= 1.
        every: length of a stage in updates, at least 1.

    Returns:
        A function of the number of the update, counted from 0. It remembers nothing: asked twice for the same update,
        or for updates out of order, it gives the same answers.

    >>> schedule = step_decay(1.0, 0.5, every=3)
    >>> [schedule(update) for update in range(7)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]

    Source: lecture 4, learning-rate decay schedules. L04.17.
    """
    return lambda update: learning_rate * factor ** (update // every)


def cosine_decay(learning_rate: float, updates: int) -> Callable[[int], float]:
    """Make a schedule that falls from the learning rate to 0 along half a cosine wave.

    Args:
        learning_rate: of update 0.
        updates: after so many it has reached 0, and stays there.

    Returns:
        A function of the number of the update, counted from 0.

    >>> [round(cosine_decay(1.0, 4)(update), 3) for update in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]

    Source: lecture 4, learning-rate decay schedules. L04.17.
    """
    return lambda update: learning_rate * (1 + math.cos(math.pi * min(update, updates) / updates)) / 2


def warmup(schedule: Callable[[int], float], updates: int) -> Callable[[int], float]:
    """Make a schedule that rises to another one: the first updates get 1/n, 2/n, ... of their learning rate.

    Args:
        schedule: the schedule to which it rises.
        updates: n, the length of the rise, at least 1.

    Returns:
        A function of the number of the update, counted from 0.

    >>> [warmup(lambda update: 1.0, 4)(update) for update in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]

    Source: lecture 4, learning-rate schedules. L04.17.
    """
    return lambda update: schedule(update) * min(1.0, (update + 1) / updates)


def learning_rate_sweep(
    run: Callable[[float], Sequence[float]], low: float, high: float, count: int, tail: float = 0.1
) -> dict[float, float]:
    """Train once with each of several learning rates, evenly spaced in their logarithm, and say where each run ended.

    The loss of the last update alone is a draw from the noise, so the mean over the last part of a run is taken.

    Args:
        run: run(learning_rate) trains, always from the same start and for as many updates, and gives the losses.
        low: smallest learning rate, positive.
        high: largest learning rate.
        count: how many, at least 2.
        tail: share of each run, from its end, over which the loss is averaged.

    Returns:
        The final loss by learning rate, in rising order of the rate; infinity for a run whose loss is not finite there.

    >>> sweep = learning_rate_sweep(lambda rate: [(1 - rate) ** (2 * k) for k in range(20)], 0.01, 100.0, 3)
    >>> {rate: round(loss, 3) for rate, loss in sweep.items() if loss < 10}
    {0.01: 0.689, 1.0: 0.0}

    Source: lecture 4, the effect of the learning rate, and tuning. L04.16, L04.18.
    """
    rates = [
        10**exponent
        for exponent in torch.linspace(math.log10(low), math.log10(high), count, dtype=torch.float64).tolist()
    ]
    finals = {}
    for rate in rates:
        losses = run(rate)
        last = losses[-max(1, round(tail * len(losses))) :]
        mean = sum(last) / len(last)
        finals[float(f"{rate:.6g}")] = mean if math.isfinite(mean) else math.inf
    return finals
